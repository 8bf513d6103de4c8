#!/usr/bin/env python3
"""Writes conf/grafana/*.json, the dashboards of Weir. With --check: says whether the files are what this writes.

A dashboard is a list of rows, a row a list of panels, a panel its question, its unit and its queries. What Grafana wants
around that is added here, once.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent / "conf" / "grafana"
SOURCE = {"type": "prometheus", "uid": "${source}"}
MINE = 'instance=~"$instance"'


def rate(metric, by="", where="", span="$__rate_interval"):
    labels = ",".join(part for part in (MINE, where) if part)
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({metric}{{{labels}}}[{span}]))"


def increase(metric, by="", where="", span="$__range"):
    return rate(metric, by, where, span).replace("rate(", "increase(", 1)


def quantile(q, metric):
    return f"histogram_quantile({q}, {rate(metric + '_bucket', 'le')})"


def now(metric, where="", by="", how="sum"):
    labels = ",".join(part for part in (MINE, where) if part)
    grouped = f" by ({by})" if by else ""
    return f"{how}{grouped} ({metric}{{{labels}}})"


def graph(title, unit, *queries, stack=False, about=""):
    return panel("timeseries", title, unit, queries, about, {
        "custom": {"lineWidth": 1, "fillOpacity": 15 if stack else 0, "showPoints": "never",
                   "stacking": {"mode": "normal" if stack else "none", "group": "A"}}},
        {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
         "tooltip": {"mode": "multi", "sort": "desc"}})


def figure(title, unit, query, about="", thresholds=()):
    steps = [{"color": "text", "value": None}] + [{"color": color, "value": value} for value, color in thresholds]
    return panel("stat", title, unit, [(query, "")], about, {"thresholds": {"mode": "absolute", "steps": steps}},
                 {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
                  "graphMode": "area", "textMode": "auto", "orientation": "auto"})


def table(title, unit, query, about=""):
    made = panel("table", title, unit, [(query, "")], about, {}, {"showHeader": True,
                 "sortBy": [{"displayName": "Value", "desc": True}]})
    made["targets"][0] |= {"format": "table", "instant": True, "range": False}
    made["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]
    return made


def bars(title, unit, query, legend, about=""):
    made = panel("bargauge", title, unit, [(query, legend)], about, {"min": 0}, {"orientation": "horizontal",
                 "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})
    made["targets"][0] |= {"instant": True, "range": False}
    return made


def panel(kind, title, unit, queries, about, defaults, options):
    return {
        "type": kind, "title": title, "description": about, "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, **defaults}, "overrides": []},
        "options": options,
        "targets": [{"refId": chr(65 + at), "datasource": SOURCE, "expr": expr, "legendFormat": legend or "__auto"}
                    for at, (expr, legend) in enumerate(queries)],
    }


BAD = 'outcome!~"ok|client_fault|client_gone|context_length"'

DASHBOARDS = {
    "overview": ("Weir: overview", [
        [figure("Requests a second", "reqps", rate("weir_requests_total")),
         figure("Failed at the upstreams", "percentunit",
                # The series of an outcome begins with the first of its kind.
                "(" + rate("weir_requests_total", where='outcome="upstream_error"') + " or vector(0)) / "
                + rate("weir_requests_total"),
                thresholds=[(0.01, "orange"), (0.05, "red")]),
         figure("Accounts that serve", "none", now("weir_account_state", 'state=~"usable|easing"')),
         figure("In flight", "none", now("weir_inflight_requests")),
         figure("USD an hour", "currencyUSD", increase("weir_cost_usd_total", span="1h")),
         figure("First token, median", "s", quantile(0.5, "weir_time_to_first_token_seconds"))],
        [graph("Requests by outcome", "reqps", (rate("weir_requests_total", "outcome"), "{{outcome}}"), stack=True),
         graph("Requests by key", "reqps", (f"topk(10, {rate('weir_requests_total', 'key')})", "{{key}}"))],
        [graph("Tokens by kind", "short", (rate("weir_tokens_total", "kind"), "{{kind}}"), stack=True,
               about="A second. `input` is what no cache held."),
         graph("Who is held back", "reqps", (rate("weir_limit_rejections_total", "scope, limit"), "{{scope}} {{limit}}"),
               about="Requests that a limit of Weir's own refused.")],
        [graph("Memory", "bytes", (now("process_resident_memory_bytes", 'job="weir"', "instance"), "{{instance}}")),
         graph("CPU", "short", (rate("process_cpu_seconds_total", "instance", 'job="weir"'), "{{instance}}"),
               about="Cores in use."),
         graph("File descriptors", "short", (now("process_open_fds", 'job="weir"', "instance"), "{{instance}}"))],
        [table("What runs where", "none", "max by (instance, version, revision) (weir_build_info{" + MINE + "})"),
         table("Configurations in force", "none", "max by (instance, hash) (weir_config_hash_info{" + MINE + "})",
               "One hash on all hosts, or a deploy is half done.")],
    ]),
    "accounts": ("Weir: accounts", [
        [figure("Serving", "none", now("weir_account_state", 'state=~"usable|easing"')),
         figure("Out", "none", now("weir_account_state", 'state=~"benched|half_open"'),
                thresholds=[(1, "orange")]),
         figure("Drained", "none", now("weir_account_state", 'state="drained"'))],
        [graph("Attempts by account", "reqps", (rate("weir_upstream_attempts_total", "account"), "{{account}}"), stack=True),
         graph("Attempts that failed, by class", "reqps",
               (rate("weir_upstream_attempts_total", "outcome", BAD), "{{outcome}}"), stack=True,
               about="Without what the client did: client_fault, client_gone, context_length.")],
        [graph("Share of attempts that failed", "percentunit",
               (rate("weir_upstream_attempts_total", "account", BAD) + " / "
                + rate("weir_upstream_attempts_total", "account"), "{{account}}")),
         graph("In flight", "none", (now("weir_account_inflight_requests", by="account"), "{{account}}"))],
        [table("State", "none", "max by (instance, account, state) (weir_account_state{" + MINE + "}) == 1"),
         bars("Quota windows", "percentunit", "max by (account, window) (weir_account_window_utilization{" + MINE + "})",
              "{{account}} {{window}}", "As the providers state them; the fullest host counts.")],
        [graph("Failovers", "reqps", (rate("weir_failovers_total", "pool, reason"), "{{pool}} {{reason}}")),
         graph("Sessions", "reqps", (rate("weir_affinity_total", "result"), "{{result}}"), stack=True,
               about="hit: served where its prompt cache is. detour, rebind: elsewhere.")],
    ]),
    "spend": ("Weir: spend", [
        [figure("USD in the range", "currencyUSD", increase("weir_cost_usd_total")),
         figure("Tokens in the range", "short", increase("weir_tokens_total")),
         figure("Prompt from cache", "percentunit",
                increase("weir_tokens_total", where='kind="cache_read"') + " / "
                + increase("weir_tokens_total", where='kind!="output"')),
         figure("Requests without a price", "none", increase("weir_unpriced_requests_total"),
                "They count as nothing above.", thresholds=[(1, "orange")])],
        [graph("USD an hour by key", "currencyUSD",
               (f"topk(10, {increase('weir_cost_usd_total', 'key', span='1h')})", "{{key}}"), stack=True),
         graph("USD an hour by model", "currencyUSD",
               (f"topk(10, {increase('weir_cost_usd_total', 'model', span='1h')})", "{{model}}"), stack=True)],
        [table("By key", "currencyUSD", increase("weir_cost_usd_total", "key")),
         table("By account", "currencyUSD", increase("weir_cost_usd_total", "account")),
         table("By model", "currencyUSD", increase("weir_cost_usd_total", "model"))],
        [table("Tokens by key and kind", "short", increase("weir_tokens_total", "key, kind")),
         bars("Today, to the cent, by key", "currencyUSD",
              'sum by (name) (last_over_time(weir_window_cost_usd{window="day",scope="key",' + MINE + "}[1d]))", "{{name}}",
              "What all processes of the day say of themselves, restarts included."),
         graph("Where token figures come from", "reqps", (rate("weir_usage_source_total", "source"), "{{source}}"))],
    ]),
    "latency": ("Weir: latency", [
        [graph("First token", "s", *[(quantile(q, "weir_time_to_first_token_seconds"), f"p{round(q * 100)}")
                                     for q in (0.5, 0.9, 0.99)]),
         graph("Whole request", "s", *[(quantile(q, "weir_request_duration_seconds"), f"p{round(q * 100)}")
                                       for q in (0.5, 0.9, 0.99)])],
        [graph("Time in Weir itself", "s", *[(quantile(q, "weir_overhead_seconds"), f"p{round(q * 100)}")
                                             for q in (0.5, 0.9, 0.99)],
               about="Waiting for neither client nor upstream."),
         graph("Requests and those in flight", "short", (rate("weir_requests_total"), "a second"),
               (now("weir_inflight_requests"), "in flight"))],
    ]),
    "streams": ("Weir: streams and translation", [
        [graph("How streams end", "reqps", (rate("weir_stream_end_total", "reason"), "{{reason}}"), stack=True),
         graph("Share that breaks off", "percentunit",
               (rate("weir_stream_end_total", where='reason=~"upstream_error|upstream_eof|idle"') + " / "
                + rate("weir_stream_end_total"), "broken"))],
        [graph("Client to upstream dialect", "reqps",
               (rate("weir_requests_total", "client_dialect, upstream_dialect"), "{{client_dialect}} to {{upstream_dialect}}"),
               stack=True),
         graph("Fields that a translation dropped", "reqps",
               (rate("weir_dropped_fields_total", "pair, field"), "{{pair}} {{field}}"))],
        [table("Rules that upstreams broke", "none", increase("weir_translation_violations_total", "pair, rule"),
               "Of their own dialect, in the range.")],
    ]),
}


def dashboard(name, title, rows):
    panels, y = [], 0
    for row in rows:
        width, height = 24 // len(row), 4 if row[0]["type"] == "stat" else 8
        for at, made in enumerate(row):
            panels.append({"id": len(panels) + 1, "gridPos": {"x": at * width, "y": y, "w": width, "h": height}} | made)
        y += height
    variables = [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {"name": "instance", "label": "Host", "type": "query", "datasource": SOURCE, "multi": True, "includeAll": True,
         "allValue": ".*", "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
         "query": {"query": "label_values(weir_build_info, instance)", "refId": "instance"}},
    ]
    return {
        "uid": f"weir-{name}", "title": title, "tags": ["weir"], "schemaVersion": 39, "version": 1, "editable": True,
        "timezone": "browser", "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": variables}, "annotations": {"list": []},
        "links": [{"type": "dashboards", "tags": ["weir"], "title": "Weir", "asDropdown": False, "includeVars": True,
                   "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": ""}],
        "panels": panels,
    }


def main():
    stale = []
    for name, (title, rows) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, rows), indent=1, ensure_ascii=False) + "\n"
        path = HERE / f"{name}.json"
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text() != text:
                stale.append(str(path))
        else:
            HERE.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        sys.exit("dashboards: run scripts/dashboards.py: not as it writes them: " + ", ".join(stale))


if __name__ == "__main__":
    main()
