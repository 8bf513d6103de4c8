"""One client must not put an account out for the others, whatever it sends and whatever the upstream repeats of it."""

import json

from .ground import KEY, Upstream, Weir, answer, check, echo

PHRASES = [
    "Your credit balance is too low to access the Anthropic API",
    "You exceeded your current quota, please check your plan and billing details",
    "invalid x-api-key",
    "API key not valid. Please pass a valid API key.",
    "Rate limit reached for requests",
    "Overloaded",
    "account is deactivated",
    "insufficient_quota",
]


def error(kind, message, code=None):
    return {"type": "error", "error": {"type": kind, "message": message, "code": code}}


def parrot(status, kind, code=None):
    """Refuses whatever has a phrase in its model, and repeats it, as vendors do."""

    def play(head, body, conn):
        model = json.loads(body).get("model", "") if body[:1] == b"{" else ""
        if model == "m":
            return echo(head, body, conn)
        return answer(conn, status, error(kind, f"The model `{model}` does not exist or you do not have access to it.", code))

    return play


def refusing(answers):
    """Answers the first requests of the attacker with these, the others soundly."""
    left = list(answers)

    def play(head, body, conn):
        if b"attack" in body or b"/v1/files" in head["line"].encode():
            if left:
                status, said, headers = left.pop(0)
                return answer(conn, status, said, headers)
        return echo(head, body, conn)

    return play


def unharmed(binary, scratch, play, attack):
    upstream = Upstream(play)
    weir = Weir(binary, scratch, [upstream])
    try:
        weir.is_well()
        attack(weir, upstream)
        account = weir.account()
        check(account["state"] == "usable", account)
        weir.is_well()
        weir.settles()
    finally:
        weir.stop()
        upstream.close()


def phrases(binary, scratch, smoke):
    tried = 0
    for status, kind, code in [(404, "not_found_error", "model_not_found"), (404, "not_found_error", None), (400, "invalid_request_error", None), (403, "permission_error", None)]:
        def attack(weir, _upstream):
            for phrase in PHRASES:
                weir.ask("hi", key=KEY, model=phrase)

        unharmed(binary, scratch, parrot(status, kind, code), attack)
        tried += len(PHRASES)
    return f"{tried} vendors' phrases as names of models, no account out"


def restricted(binary, scratch, smoke):
    scopes = error("invalid_request_error", "You have insufficient permissions for this operation. Missing scopes: model.request.")
    answers = [(401, scopes, []), (403, error("permission_error", "not allowed"), [])] * 3

    def attack(weir, upstream):
        for _ in answers:
            weir.ask("attack", key=KEY)
        before = len(upstream.requests)
        weir.ask("attack", key=KEY, headers=[("OpenAI-Organization", "org-x"), ("OpenAI-Project", "p")])
        for head, _ in upstream.requests[before:]:
            names = [name for name, _ in head["headers"]]
            check(b"openai-organization" not in names and b"openai-project" not in names, names)

    unharmed(binary, scratch, refusing(answers), attack)
    return "401 about scopes, 403 about permissions: no account out; foreign organisations are not forwarded"


def beside(binary, scratch, smoke):
    answers = [(403, error("permission_error", "no files for you"), [])] * 3
    answers += [(429, error("rate_limit_error", "slow down"), [("retry-after", "600")]), (500, error("api_error", "x"), []), (500, error("api_error", "x"), []), (500, error("api_error", "x"), [])]

    def attack(weir, _upstream):
        for _ in answers:
            weir.ask(key=KEY, path="/v1/files", method="GET", body=b"")

    unharmed(binary, scratch, refusing(answers), attack)
    return f"{len(answers)} refusals of /v1/files (403, 429 with 600 s, 500): answers go on"


def unwritable(binary, scratch, smoke):
    """What Weir itself cannot send on is the client's, and is told before anybody is asked."""
    rows = [
        ("a name of 4 MB", {"model": "x" * (4 << 20)}, ()),
        ("a name of 300 bytes", {"model": "x" * 300}, ()),
        ("a header of 100 KB", {}, (("anthropic-beta", "y" * 100_000),)),
        ("a header with a tab", {}, (("anthropic-beta", "a\tb"),)),
        ("a header that is not ASCII", {}, (("anthropic-beta", "\xff\xfe"),)),
        ("nesting of 600", {"messages": json.loads("[" * 600 + "]" * 600)}, ()),
        ("a long query", {"_path": "/v1/messages?" + "q=%25" * 12_000}, ()),
    ]

    def attack(weir, _upstream):
        for name, members, headers in rows:
            path = members.pop("_path", "/v1/messages")
            body = json.dumps({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **members}).encode()
            for _ in range(4):
                status, _, _ = weir.ask(key=KEY, path=path, headers=headers, body=body)
                check(status == 400 if "name" in name else status < 500, f"{name}: {status}")
            check(weir.account()["state"] == "usable", f"{name}: {weir.account()}")

    unharmed(binary, scratch, None, attack)
    return f"{len(rows)} kinds, four times each: 4xx or served, never the account's fault"


def poison(binary, scratch, smoke):
    """One request that breaks the server, sent again and again, next to sound ones."""

    def play(head, body, conn):
        if b"attack" in body:
            return False
        return echo(head, body, conn)

    def attack(weir, _upstream):
        for _ in range(12):
            weir.ask("attack", key=KEY)
            weir.is_well()

    unharmed(binary, scratch, play, attack)
    return "12 requests that reset the connection, between sound ones"


ROOM = [
    ("Vendors' phrases in a request", "billing, quota, credential and rate phrases that the vendor repeats in 400, 403 and 404", phrases),
    ("Restricted credentials", "401 about scopes, 403 about permissions, foreign organisations", restricted),
    ("Refusals beside generation", "403, 429 and 500 of files", beside),
    ("What cannot be sent", "names, headers, nesting and queries beyond what can be written", unwritable),
    ("A request that breaks the server", "resets again and again", poison),
]
