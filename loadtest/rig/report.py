"""From measurements to Markdown: medians over the rounds, ratios to nginx and to bare Pingora of the same run."""

import html
import os
import pathlib
import platform
import re
import statistics
import subprocess
import time

YARDSTICKS = (("nginx",), ("bare-pingora", "bare-pingora-tls"))


def markdown(results):
    parts = [_conditions(results)]
    for label, by_proxy in results["rows"].items():
        table = _life_table if label.startswith("start") else _stream_table if "streams" in label else _paced_table if "open loop" in label else _request_table
        parts.append(f"**{label}**\n\n{table(by_proxy)}")
    parts.append(f"**Memory, MiB**\n\n{_memory_table(results)}")
    if results["idle"]:
        parts.append(f"**Memory per idle stream**\n\n{_idle_table(results['idle'])}")
    if results["held"]:
        parts.append(f"**Memory per request of 300 KB in flight**\n\n{_held_table(results['held'])}")
    for label, by_proxy in results["calls"].items():
        parts.append(f"**System calls per request, {label}, 16 connections** (under strace)\n\n{_calls_table(by_proxy)}")
    return "\n\n".join(parts) + "\n"


def failures(results):
    """One line per measurement in which something failed."""
    lines = []
    for label, by_proxy in results["rows"].items():
        for name, rounds in by_proxy.items():
            failed = sum(seen["failed"] for seen in rounds)
            if failed:
                faults = [fault for seen in rounds for fault in seen.get("faults", [])]
                lines.append(f"{name}: {label}: {failed} failed {' '.join(faults)}".rstrip())
    return lines


def insert(file, text):
    """Replaces what stands between the two markers of `file`."""
    begin, end = "<!-- report: begin -->", "<!-- report: end -->"
    whole = file.read_text()
    head, found, rest = whole.partition(begin)
    _, also, tail = rest.partition(end)
    if not (found and also):
        raise SystemExit(f"loadtest: {file} lacks the lines `{begin}` and `{end}`")
    file.write_text(f"{head}{begin}\n{text}{end}{tail}")


def machine():
    """What a reader must know to compare."""
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{os.cpu_count()} x {model[1].strip() if model else platform.machine()}",
        "kernel": f"Linux {platform.release()}",
        "commit": _output("git", "describe", "--always", "--dirty"),
        "rustc": _output("rustc", "--version"),
        "load before": " ".join(f"{figure:.2f}" for figure in os.getloadavg()),
    }


def _conditions(results):
    options, facts = results["options"], results["machine"]
    lines = [f"{name}: {value}" for name, value in facts.items()]
    lines.append(f"upstream: {options['upstream']}, binaries: {options['bin_dir'].rpartition('/')[2]}")
    lines.append(f"{options['rounds']} rounds in turns, {options['seconds']} s each, medians; {results['seconds']:.0f} s in all")
    return "\n".join(f"- {line}" for line in lines)


def _request_table(by_proxy):
    rows = []
    for name, rounds in by_proxy.items():
        of_upstream = name == "upstream"
        rows.append([
            "*direct, no proxy*" if of_upstream else name,
            f"{_median(rounds, 'rps'):,.0f}",
            f"{_median(rounds, 'p50_us') / 1000:.2f}",
            f"{_median(rounds, 'p99_us') / 1000:.2f}",
            *(["", "", "", ""] if of_upstream else _cpu_cells(name, by_proxy)),
            str(sum(seen["failed"] for seen in rounds)),
        ])
    head = ["", "requests/s", "p50 ms", "p99 ms", "CPU µs/request", "user + kernel", "× nginx", "× bare", "failed"]
    return _table(head, rows)


def _stream_table(by_proxy):
    rows = []
    for name, rounds in by_proxy.items():
        first, whole = (
            [statistics.median(seen[key][at] for seen in rounds) for at in (0, 1)] for key in ("first_ms", "whole_ms")
        )
        events_per_second = statistics.median(seen["events"] / seen["wall_s"] for seen in rounds)
        rows.append([
            name,
            f"{events_per_second:,.0f}",
            f"{first[0]:.1f} / {first[1]:.1f}",
            f"{whole[0]:,.0f} / {whole[1]:,.0f}",
            *_cpu_cells(name, by_proxy),
            str(sum(seen["failed"] for seen in rounds)),
        ])
    head = ["", "events/s", "first event ms p50 / p99", "whole ms p50 / p99", "CPU µs/event", "user + kernel", "× nginx", "× bare", "failed"]
    return _table(head, rows)


def _paced_table(by_proxy):
    direct = {key: _median(by_proxy["upstream"], key) for key in ("p50_us", "p99_us")}
    rows = []
    for name, rounds in by_proxy.items():
        p50, p99 = (_median(rounds, key) for key in direct)
        own = name == "upstream"
        added = ["", ""] if own else [f"{p50 - direct['p50_us']:,.0f}", f"{p99 - direct['p99_us']:,.0f}"]
        failed = str(sum(seen["failed"] for seen in rounds))
        rows.append(["*direct, no proxy*" if own else name, f"{p50:,.0f}", f"{p99:,.0f}", *added, failed])
    return _table(["", "p50 µs", "p99 µs", "added p50 µs", "added p99 µs", "failed"], rows)


def _idle_table(idle):
    rows = [[name, f"{seen['streams']:,}", f"{seen['kib_each']:.1f}"] for name, seen in idle.items()]
    return _table(["", "streams open", "KiB each"], rows)


def _held_table(held):
    rows = [[name, f"{seen['streams']:,}", f"{seen['kib_each']:,.0f}", f"{seen['kib_each'] / seen['body_kib']:.2f}"] for name, seen in held.items()]
    return _table(["", "in flight", "KiB each", "× its body"], rows)


def _life_table(by_proxy):
    rows = []
    for name, rounds in by_proxy.items():
        cells = [_median(rounds, key) for key in ("start_ms", "reload_ms", "p50_us", "p99_us", "max_us")]
        start, reload, *waits = cells
        rows.append([name, f"{start:.0f}", f"{reload:.0f}", *(f"{wait / 1000:.2f}" for wait in waits), str(sum(seen["failed"] for seen in rounds))])
    return _table(["", "start ms", "reload ms", "p50 ms", "p99 ms", "slowest ms", "failed"], rows)


def charts(results):
    """One picture per question: CPU per unit of each proxy, as bars. Name of the file and its SVG."""
    for label, by_proxy in results["rows"].items():
        if label.startswith("start"):
            continue
        bars = [(name, _median(rounds, "cpu_us")) for name, rounds in by_proxy.items() if name != "upstream"]
        unit = "stream event" if "streams" in label else "request"
        slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
        yield f"{slug}.svg", _bars(f"{label}: CPU µs per {unit}", bars)


def _bars(title, bars):
    most = max(value for _, value in bars) or 1
    height = 40 + 26 * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="720" height="{height}" fill="#fff"/><text x="10" y="20" font-weight="bold">{html.escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(bars):
        y = 34 + 26 * place
        fill = "#c2410c" if name.startswith("weir") else "#64748b"
        width = max(2, round(470 * value / most))
        parts.append(f'<text x="10" y="{y + 15}">{html.escape(name)}</text>')
        parts.append(f'<rect x="160" y="{y}" width="{width}" height="20" fill="{fill}"/>')
        parts.append(f'<text x="{166 + width}" y="{y + 15}">{value:,.{2 if value < 10 else 1}f}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _cpu_cells(name, by_proxy):
    rounds = by_proxy[name]
    own = _median(rounds, "cpu_us")
    ratios = []
    for names in YARDSTICKS:
        yardstick = next((name for name in names if name in by_proxy), None)
        theirs = _median(by_proxy[yardstick], "cpu_us") if yardstick else 0
        ratios.append(f"{own / theirs:.2f}" if theirs else "–")
    digits = 2 if own < 10 else 1
    typical = min(rounds, key=lambda seen: abs(seen["cpu_us"] - own))
    parts = f"{typical['user_us']:.{digits}f} + {typical['kernel_us']:.{digits}f}"
    return [f"{own:.{digits}f}", parts, *ratios]


def _memory_table(results):
    rows = []
    for name, figures in results["memory"].items():
        under = [
            statistics.median(seen["memory_mib"] for seen in by_proxy[name])
            for label, by_proxy in results["rows"].items()
            if "streams" in label
        ]
        rows.append([name, f"{figures['idle']:.1f}", f"{max(under):.1f}" if under else "–", f"{figures['after']:.1f}"])
    return _table(["", "idle", "with the streams open", "after everything"], rows)


def _calls_table(by_proxy):
    rows = []
    for name, calls in by_proxy.items():
        shown = ", ".join(f"{call} {count:.1f}" for call, count in calls.items() if count >= 0.1)
        rows.append([name, f"{sum(calls.values()):.1f}", shown])
    return _table(["", "in all", "which"], rows)


def _table(head, rows):
    align = ["---"] + ["--:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, align, *rows))


def _median(rounds, key):
    return statistics.median(seen[key] for seen in rounds)


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
