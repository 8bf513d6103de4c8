"""Streams whose text Weir regroups: the official accumulators understand what the upstream meant, in fewer or more pieces."""
import itertools

import pytest
from speakers import SPEAKERS, Ask

PAIRS = list(itertools.product(SPEAKERS, repeat=2))
TEXT = "One two. Three \u2028 häßlich! 你好。🦀 "
ASKS = {
    "text": Ask(TEXT + "[[sim chunk=1 input-tokens=1000 cache-read=6000]]", stream=True),
    "text and calls": Ask(
        'One. Two. call get_weather {"city": "Rome"} and call get_weather {"city": "Oslo"} [[sim chunk=1 input-tokens=9 output-tokens=20]]',
        tools=True,
        stream=True,
    ),
    "reasoning": Ask("hello. You. [[sim chunk=1 reasoning=40 input-tokens=9]]", think=True, stream=True),
}


@pytest.fixture(params=PAIRS, ids=lambda pair: "-on-".join(pair))
def pair(request):
    return request.param


@pytest.fixture
def speak(target, pair):
    if target.direct:
        pytest.skip("nobody regroups")
    client, upstream = pair
    return lambda **headers: SPEAKERS[client](target.url, target.key, {"x-to": upstream, **headers})


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize("unit", ["character", "word", "sentence", "message"])
def test_regrouped_text_is_the_same_text(speak, unit, what):
    plain = speak().ask(ASKS[what])
    regrouped = speak(**{"x-regroup": unit}).ask(ASKS[what])
    assert regrouped == plain
    if what == "text":
        if unit == "character":
            assert regrouped.pieces >= len(TEXT), regrouped
        elif unit in ("sentence", "message"):
            assert regrouped.pieces < plain.pieces, regrouped


def test_an_error_after_the_text_is_still_an_error(speak):
    speaker = speak(**{"x-regroup": "message"})
    with pytest.raises(speaker.failures):
        speaker.ask(Ask("hello [[sim output-tokens=50 truncate-after=8]]", stream=True))
