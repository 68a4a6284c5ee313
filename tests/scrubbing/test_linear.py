"""Every pattern takes linear time, because scrubbing runs on the event loop with hostile text."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from server.ingest.privacy import excerpt, scrub_json, scrub_text
from server.scrubbing.patterns import PATTERNS
from server.scrubbing.scrub import SENSITIVE_KEYS, SUSPICIOUS
from tests.quick import first

KIB = 1024
QUICK = 0.002  # seconds of processor time for 16 KiB: nothing quadratic is done by then
# Four times the text takes four times as long if the time is linear, and sixteen times if it is quadratic.
STEEP = 9.0

# Repeated: the beginnings of what the patterns look for, again and again without their ends; runs of what they run over. A ␣ is a blank.
_SEEDS = r"""
a A 0 ␣ \ / : - . _ @ = " ' % ~ é a@ @a a@a a@a. a.a@ a@- @1.1.1 a@1.1.1. %40 a%40a a@a: 1. 1.1.1.1.1 1.1.1.1␣ v1.1.1.1␣ 255.255.255.
/1.1.1.1 a/1.1.1.1␣ 1- ip-1- ec2-1-1-1-1 :: a: a:: 1:1␣ 1::1␣ fe80::1␣ 1:1:1:1:1:1:1:1␣ ::ffff:1.1.1.1␣ fe80::1% g:a:a::1 aa: aa-
aa:aa:aa:aa:aa:aa␣ aa:aa:aa:aa:aa: aaaa. aaaa.aaaa.aaaa␣ /home/ /home/a /home /var/home/ /mnt/ /mnt/a␣a/ ␣/v/a/a/a/a /Users/a␣b /root
/data/data/ C:\Users\ C:\Users\a␣ \\ \\a\ \\a\a␣ c:/users/a␣a␣a␣a␣ %2fhome%2f %2F /var/folders/a/ ~a ~a/ ~a~ eyJ eyJ. eyJaaaaaaaa.
eyJaaaaaaaa.. AKIA ghp_ ghp sk- sk-a sk-a- sk_live_ npm_ pypi- pypi-a ff_ ff_a xox xoxb- ya29. SG. SG.aaaaaaaaaaaaaaaaaaaa. hvs.
12345678: glpat- github_pat_ hooks.slack.com/services/ -----BEGIN -----BEGIN␣PRIVATE␣KEY----- -----BEGIN␣A␣A␣A␣A␣A␣A␣A␣A␣A␣A␣ ----- ://
a:// ://a: ://a:a ://a:b/ ://a@ https://a:b@c␣ ://a:1/ password password= password:␣ password: password=" password="a password='\
password=\ password␣=␣, password=a, pwd= token token: token:␣ token:␣a token= token== secret:secret: token:\" token":\"a api_key
api_key_id key= --password␣ --a- --a-a-a-token␣ --token␣- --secret␣is␣ user␣ user␣" user␣"a username:␣ hostname: authorization
authorization: authorization:␣ cookie: cookie:␣a cookie:␣a= bearer␣ Bearer␣a basic␣aaaaaaaa ?sig= &a-signature=
linux␣ linux␣a␣1.1. Linux␣a␣ A_NT-1 AB\ AB\a AB\aa␣ AB\\ -u␣ -u␣a -u␣a: -u␣a:a -ua: --user␣a:a@ install␣a@a␣ a@b␣ aA0/ aA0+b9Z
?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa &key discord.com/api/webhooks/ "user" "user": host_ host_name_\" ip"\n [ { {"a": [1,
"""
SEEDS = [
    *_SEEDS.replace(" ", "\n").replace("␣", " ").split("\n")[1:-1],
    *("\n", "\r", "\x00", "\x1b[", "\ud800", "authorization: a\n", "-----BEGIN A PRIVATE KEY-----\n-----END "),
    "/v/" + "x" * 300,
    "SG." + "a" * 20 + ".",
    "?" + "a" * 33,
]


def _cost(work: Callable[[str], object], seed: str, size: int) -> float:
    """Seconds of this thread's processor time, the least of three."""
    text = (seed * (size // len(seed) + 1))[:size]
    times = []
    for _ in range(3):
        began = time.thread_time()
        work(text)
        times.append(time.thread_time() - began)
        if times[-1] < QUICK:
            break
    return min(times)


def _must_be_linear(work: Callable[[str], object], seed: str) -> None:
    for attempt in range(3):  # another process can take the caches during one measurement
        large = _cost(work, seed, 16 * KIB)
        if large < QUICK or large < STEEP * _cost(work, seed, 4 * KIB):
            break
        assert attempt < 2, f"{seed[:40]!r} takes {large:.2f} s for 16 KiB"
    assert large < 0.25


@pytest.mark.parametrize("pattern", first(PATTERNS, 5), ids=lambda pattern: pattern.name)
def test_a_pattern_takes_linear_time(pattern):
    for seed in SEEDS:
        _must_be_linear(lambda text: pattern.regex.sub(pattern.replacement, text), seed)


@pytest.mark.parametrize("expression", [SUSPICIOUS, SENSITIVE_KEYS], ids=["patterns", "keys"])
def test_the_hints_take_linear_time(expression):
    for seed in SEEDS:
        _must_be_linear(lambda text: expression.search(text.lower()), seed)


# Each pattern takes all seeds above. All patterns together, and excerpts, take one in four of them in `make test`.
each_quarter = pytest.mark.parametrize("quarter", [0, *(pytest.param(quarter, marks=pytest.mark.slow) for quarter in (1, 2, 3))])


@each_quarter
def test_scrubbing_as_a_whole_takes_linear_time(quarter):
    for seed in SEEDS[quarter::4]:
        _must_be_linear(scrub_text, seed)
        _must_be_linear(lambda text: scrub_json({"a": text, text[:100]: [text[:1000]]}), seed)


@pytest.mark.slow
@each_quarter
def test_an_excerpt_of_a_text_costs_little_whatever_the_size(quarter):
    for seed in SEEDS[quarter::4]:
        text = seed * (1024 * KIB // len(seed))
        began = time.thread_time()
        excerpt(text.encode("utf-8", "surrogatepass"), None)
        excerpt(b"", {"a": text, "b": [text] * 100})
        assert time.thread_time() - began < 0.5, seed


def test_an_excerpt_of_a_document_costs_little_whatever_the_size():
    for document in ([1] * 500_000, {str(number): number for number in range(200_000)}, [["a@b.example"] * 50] * 20_000):
        began = time.thread_time()
        excerpt(b"", document)
        assert time.thread_time() - began < 0.5
