"""The patterns of scrubbing, one by one: matches and text that stays."""

from __future__ import annotations

import re

import pytest

from server.ingest.privacy import scrub_text
from server.scrubbing.hints import union
from server.scrubbing.patterns import PATTERNS
from server.scrubbing.scrub import SUSPICIOUS

# Concatenated here, so that secret scanners do not flag this file.
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KIND = "RSA PRIVATE"
PEM = f"-----BEGIN {KIND} KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA1c7+9z5Pad7OejecsQ0b\n-----END {KIND} KEY-----"

# Recognized by their beginning alone.
TAKEN_OUT_ALONE = [
    ("/home/alice/x", "~/x"),
    ("C:/Users/alice/x", "~/x"),
    ("2001:db8::1", "[ip]"),
    ("10.1.2.3", "[ip]"),
    ("00:1a:2b:3c:4d:5e", "[mac]"),
    ("ip-10-0-0-12", "ip-[ip]"),
    ("Bearer abcdef123456", "Bearer [secret]"),
    ("sk-" + "A1b2" * 12, "[secret]"),
    ("ff_" + "Ab1-_cd2" * 4, "[secret]"),
]

TAKEN_OUT = [
    # e-mail
    ("mail alice@example.com now", "mail [email] now"),
    ("Alice.B+x@sub.example.co.uk", "[email]"),
    ("<alice@example.com>", "<[email]>"),
    ("?email=alice@example.com&a=1", "?email=[email]&a=1"),
    ("?email=alice%40example.com&a=1", "?email=[email]&a=1"),
    ("alice@example.com.", "[email]."),
    ("jürgen@müller.example", "[email]"),
    ("cc a@x.de,b@y.de", "cc [email],[email]"),
    ("git@github.com:org/repo", "[email]:org/repo"),  # looks like one, and may hold a name
    ("scp alice@laptop:/srv/data .", "scp [email]:/srv/data ."),
    ("alice@laptop:~$", "[email]:~$"),
    ("alice@10.0.0.5", "[email]"),
    ("alice@[10.0.0.5]", "[email]"),
    ('"alice smith"@example.com', "[email]"),
    (r"mail \"alice smith\"@example.com", "mail [email]"),
    (r"alice\u0040example.com", "[email]"),
    ("alice&#64;example.com", "[email]"),
    ("someone@2x.com", "[email]"),
    ("me@10.20.static.isp.example", "[email]"),
    # home folders
    ("open '/home/alice/p/a.js'", "open '~/p/a.js'"),
    ("/home/alice", "~"),
    ("/home/o'brien/x", "~/x"),
    ("/Users/alice/Library/x", "~/Library/x"),
    ("/var/home/alice/x", "~/x"),
    ("/usr/home/alice/x", "~/x"),
    ("/nfs/home/alice/x", "~/x"),
    ("/homes/alice/x", "~/x"),
    (r"/Users/alice\ smith/x", "~/x"),
    ("/nix/var/nix/profiles/per-user/alice/x", "~/x"),
    ("/mnt/cluster/a/home/alice/x", "~/x"),
    ("/mnt/c/Users/alice/x", "~/x"),
    ("/c/Users/alice/x", "~/x"),
    ("/c/users/alice/x", "~/x"),
    ("/cygdrive/c/Users/alice/x", "~/x"),
    ("/Volumes/Macintosh HD/Users/alice/x", "~/x"),
    ("/System/Volumes/Data/Users/alice/x", "~/x"),
    ("file:///home/alice/x.mjs:3:1", "file://~/x.mjs:3:1"),
    ("file:///C:/Users/alice/x.mjs", "file:///~/x.mjs"),
    ("PATH=/home/alice/bin:/home/bob/bin", "PATH=~/bin:~/bin"),
    ("cc -I/home/alice/include -L/home/alice/lib", "cc -I~/include -L~/lib"),
    ("at f (/home/alice/a.js:1:2)", "at f (~/a.js:1:2)"),
    (r"C:\Users\alice\AppData", r"~\AppData"),
    (r"c:\users\alice", "~"),
    (r"C:\\Users\\alice\\AppData", r"~\\AppData"),
    (r"C:\\\\Users\\\\alice\\\\x", r"~\\\\x"),
    ("C:/Users/alice/x", "~/x"),
    (r"C:\Users\Alice Smith\AppData", r"~\AppData"),
    (r"C:\Users\Alice Smith", "~"),
    ("'C:\\Users\\Alice Smith'", "'~'"),
    (r"C:\Documents and Settings\alice\x", r"~\x"),
    (r"\\?\C:\Users\alice\x", r"~\x"),
    (r"\\fileserver\Users\alice\x", r"~\x"),
    (r"\\wsl$\Ubuntu\home\alice\x", r"~\x"),
    (r"\Users\alice\x", r"~\x"),
    ("?dir=%2Fhome%2Falice%2Fx", "?dir=~%2Fx"),
    ("C%3A%5CUsers%5Calice%5Cx", "C%3A~%5Cx"),
    ("cd /root/x", "cd ~/x"),
    ("/root", "~"),
    ("/data/data/com.termux/files/home/x", "~/x"),
    ("/data/user/0/com.app/cache", "~/cache"),
    ("/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/x", "~/T/x"),
    ("/private/var/folders/ab/cdefgh_1234/T", "~/T"),
    ("see ~alice/notes", "see ~/notes"),
    # network addresses
    ("connect ECONNREFUSED 10.1.2.3:5432", "connect ECONNREFUSED [ip]:5432"),
    ("http://192.168.1.7/x", "http://[ip]/x"),
    ("93.184.216.34.", "[ip]."),
    ("10.0.0.0/8", "[ip]/8"),
    ("(8.8.8.8)", "([ip])"),
    ("1.2.3.4", "[ip]"),  # perhaps a version, but nothing marks it as one
    ("version 1.2.3.4:80", "version [ip]:80"),
    ("db.internal/10.1.2.3", "db.internal/[ip]"),  # Java's way to print an address
    ("localhost/192.168.0.3", "localhost/[ip]"),
    ("ec2-54-12-3-4.compute.example", "ec2-[ip].compute.example"),
    ("ip-10-0-0-12", "ip-[ip]"),
    ("2001:db8::1", "[ip]"),
    ("[2001:db8::8a2e:370:7334]:443", "[[ip]]:443"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[ip]"),
    ("dial 2001:db8::1: no route", "dial [ip]: no route"),
    ("fe80::1ff:fe23:4567:890a%eth0", "[ip]"),
    ("fe80::1%en0", "[ip]"),
    ("::ffff:10.1.2.3", "[ip]"),
    ("64:ff9b::10.1.2.3", "[ip]"),
    ("addr:2001:db8::1", "addr:[ip]"),
    ("2001:db8::/32", "[ip]/32"),
    ("dead:beef:cafe::", "[ip]"),
    ("2001-db8--1.ipv6-literal.net", "[ip].ipv6-literal.net"),
    ("1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "[ip]ip6.arpa"),
    ("203-0-113-9.dsl.isp.example", "[ip].dsl.isp.example"),
    ("ENOTFOUND c-203-0-113-9.hsd1.isp.example", "ENOTFOUND c-[ip].hsd1.isp.example"),
    ("mac 00:1A:2b:3c:4d:5e up", "mac [mac] up"),
    ("mac:00:1a:2b:3c:4d:5e", "mac:[mac]"),
    ("00-1A-2B-3C-4D-5E", "[mac]"),
    ("001a.2b3c.4d5e", "[mac]"),
    ("00:1a:2b:ff:fe:3c:4d:5e", "[mac]"),
    # credentials in addresses
    ("https://alice:pw@host.example/x", "https://[secret]@host.example/x"),
    ("https://ghtoken@host.example/x", "https://[secret]@host.example/x"),
    ("postgres://u:p@ss@db:5432/x", "postgres://[secret]@db:5432/x"),
    ("postgres://u:p/w@db/x", "postgres://[secret]@db/x"),
    ("redis://:pw@10.0.0.1:6379", "redis://[secret]@[ip]:6379"),
    ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/services/[secret]"),
    ("https://s3.example/a?X-Amz-Signature=abc&x=1", "https://s3.example/a?X-Amz-Signature=[secret]&x=1"),
    ("https://maps.example/?key=abc", "https://maps.example/?key=[secret]"),
    # well-known tokens
    (f"jwt {JWT} end", "jwt [secret] end"),
    (JWT.split(".", maxsplit=1)[0], "[secret]"),
    ("AKIA" + "IOSFODNN7EXAMPLE", "[secret]"),
    ("ghp_" + "A1b2" * 9, "[secret]"),
    ("gho_" + "A1b2" * 9, "[secret]"),
    ("ghs_" + "A1b2" * 9, "[secret]"),
    ("github_pat_" + "A1b2" * 9, "[secret]"),
    ("glpat-" + "A1b2" * 5, "[secret]"),
    ("xoxb-" + "123456789012-abcdef", "[secret]"),
    ("sk_live_" + "A1b2" * 6, "[secret]"),
    ("rk_live_" + "A1b2" * 6, "[secret]"),
    ("npm_" + "A1b2" * 9, "[secret]"),
    ("pypi-" + "AgEIcHlwaS5vcmc" * 2, "[secret]"),
    ("sk-" + "A1b2" * 12, "[secret]"),
    ("sk-proj-" + "A1b2" * 12, "[secret]"),
    ("sk-ant-api03-" + "A1b2" * 12, "[secret]"),
    ("AIza" + "SyA1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q", "[secret]"),
    ("hf_" + "AbCd" * 9, "[secret]"),
    ("SG." + "A1b2" * 5 + "." + "A1b2" * 9, "[secret]"),
    ("1234567890:" + "AAF" + "A1b2" * 8, "[secret]"),
    ("dop_v1_" + "a1b2" * 16, "[secret]"),
    ("dckr_pat_" + "A1b2" * 6, "[secret]"),
    ("shpat_" + "a1b2" * 8, "[secret]"),
    ("ATATT3" + "xFfGF0" * 4, "[secret]"),
    ("hvs." + "A1b2" * 6, "[secret]"),
    ("cio" + "A1b2" * 8, "[secret]"),
    ("rubygems_" + "a1b2" * 12, "[secret]"),
    ("glsa_" + "A1b2" * 8, "[secret]"),
    ("lin_api_" + "A1b2" * 10, "[secret]"),
    ("tskey-auth-" + "A1b2" * 6, "[secret]"),
    ("dp.pt." + "A1b2" * 10, "[secret]"),
    ("figd_" + "A1b2" * 10, "[secret]"),
    ("nvapi-" + "A1b2" * 10, "[secret]"),
    ("sbp_" + "a1b2" * 10, "[secret]"),
    ("r8_" + "A1b2" * 9, "[secret]"),
    ("ntn_" + "A1b2" * 11, "[secret]"),
    ("sq0atp-" + "A1b2" * 6, "[secret]"),
    ("PMAK-" + "a1b2" * 6 + "-" + "a1b2" * 8, "[secret]"),
    ("pat-na1-" + "12345678-1234-1234-1234-123456789abc", "[secret]"),
    ("key-" + "a1b2" * 8, "[secret]"),
    ("AGE-SECRET-KEY-1" + "QPZRY9" * 9, "[secret]"),
    ("key ff_" + "Ab1-_cd2" * 4 + " given", "key [secret] given"),
    (f"key:\n{PEM}\nbye", "key:\n[secret]\nbye"),
    (PEM[:60], "[secret]"),  # its end is missing
    # headers
    ("Authorization: Bearer abc.def-123", "Authorization: [secret]"),
    ("authorization: Digest username=x, response=y", "authorization: [secret]"),
    ('"Authorization": "Basic dXNlcjpwYXNz"', '"Authorization": "[secret]"'),
    ("with Bearer abcdef123456 sent", "with Bearer [secret] sent"),
    ("Basic dXNlcjpwYXNz", "Basic [secret]"),
    ("Cookie: sid=abc; theme=dark", "Cookie: [secret]"),
    ("Set-Cookie: sid=abc; Path=/\nX: 1", "Set-Cookie: [secret]\nX: 1"),
    # assignments
    ("password=hunter2", "password=[secret]"),
    ("password: hunter", "password: [secret]"),
    ("password:hunter2", "password:[secret]"),
    ("Passwort: geheim", "Passwort: [secret]"),
    ('password = "my pass word", x=1', 'password = "[secret]", x=1'),
    ("password='it\\'s', x", "password='[secret]', x"),
    (r"{\"password\":\"hunter2\",\"a\":1}", r"{\"password\":\"[secret]\",\"a\":1}"),
    ("{'password': 'hunter2', 'a': 1}", "{'password': '[secret]', 'a': 1}"),
    ("Server=db;Password=a,b;User=x", "Server=db;Password=[secret];User=[removed]"),
    ("PGPASSWORD=hunter2 psql", "PGPASSWORD=[secret] psql"),
    ("pwd=hunter2", "pwd=[secret]"),
    ("GITHUB_TOKEN=abc", "GITHUB_TOKEN=[secret]"),
    ("?access_token=abc&x=1", "?access_token=[secret]&x=1"),
    ("api_key: a1b2c3", "api_key: [secret]"),
    ("API-Key=abc", "API-Key=[secret]"),
    ("X-Api-Key: a1b2c3", "X-Api-Key: [secret]"),
    ("client_secret=abc", "client_secret=[secret]"),
    ("AWS_SECRET_ACCESS_KEY=abc/def+x", "AWS_SECRET_ACCESS_KEY=[secret]"),
    ("AccountKey=abc==;Endpoint=x", "AccountKey=[secret];Endpoint=x"),
    ('"token": "abc"', '"token": "[secret]"'),
    ("//registry.example/:_authToken=abc", "//registry.example/:_authToken=[secret]"),
    ("'token' => 'abc'", "'token' => '[secret]'"),
    ("login --password hunter2 --user x", "login --password [secret] --user x"),
    ("--api-key abc", "--api-key [secret]"),
    ("--github-token abc", "--github-token [secret]"),
    # names of people and machines
    ("username=alice", "username=[removed]"),
    ("hostname: alices-laptop", "hostname: [removed]"),
    ("HOME=/home/alice USER=alice", "HOME=~ USER=[removed]"),
    ("LOGNAME=alice", "LOGNAME=[removed]"),
    ("getaddrinfo ENOTFOUND Alices-MacBook-Pro.local", "getaddrinfo ENOTFOUND [removed]"),
    ("on alices-imac", "on [removed]"),
    ("on DESKTOP-4QK2L9A", "on [removed]"),
    ('password authentication failed for user "alice"', 'password authentication failed for user "[removed]"'),
    ("Access denied for user 'alice'@'localhost'", "Access denied for user '[removed]'@'localhost'"),
    (
        "Linux web-01 5.15.0-91-generic #101-Ubuntu SMP x86_64 GNU/Linux",
        "Linux [removed] 5.15.0-91-generic #101-Ubuntu SMP x86_64 GNU/Linux",
    ),
    ("Darwin ann 22.6.0 Darwin Kernel Version 22.6.0", "Darwin [removed] 22.6.0 Darwin Kernel Version 22.6.0"),
    ("FreeBSD web01 13.2-RELEASE FreeBSD 13.2-RELEASE", "FreeBSD [removed] 13.2-RELEASE FreeBSD 13.2-RELEASE"),
    ("MINGW64_NT-10.0-19045 ANN 3.4.6-1 x86_64", "MINGW64_NT-10.0-19045 [removed] 3.4.6-1 x86_64"),
    ("ssh alice@laptop", "ssh [email]"),
    ("run by alice@web-01.", "run by [email]."),
    ("CORP\\alice", "[removed]"),
    ("CORP\\alice.smith", "[removed]"),
    ("CORP\\\\nancy", "[removed]"),
    ("curl -u alice:s3cret https://x.example", "curl -u [secret] https://x.example"),
    ("curl -ualice:s3cret x", "curl -u[secret] x"),
    ("curl -sSfu alice:s3cret x", "curl -sSfu [secret] x"),
    ("curl -U alice:s3cret x", "curl -U [secret] x"),
    ("curl --proxy-user alice:s3cret x", "curl --proxy-user [secret] x"),
    ("wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY", "[secret]"),
    ("with " + "Zq3kP9xW0v" * 4 + " it", "with [secret] it"),
    # in text that was escaped and never unescaped
    *((rf"x\n{text}", rf"x\n{kept}") for text, kept in TAKEN_OUT_ALONE),
    # not fit for a store or a terminal
    ("a\x00b\x07c\x7fd\x9be", "a\ufffdb\ufffdc\ufffdd\ufffde"),
    ("half \ud83d pair", "half \ufffd pair"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("one\r\ntwo\rthree", "one\ntwo\nthree"),
]

# Parted by two blanks.
LEFT_ALONE = re.split(
    r"\s{2,}|\n",
    r"""node 20.10.0  v20.10  1.2.3  darwin  x64  installation_completed  2025-12-09T10:00:00.000Z  10:30:45  10:30:45.123  std::vector<int>
builds-mac.zip  desktop-settings  macbook-pro  MacBookPro18,1  1-2-3-4  key-value  end-user=  app-1-2-3.zip  2026-11-25-10.txt
a::b  abc::def  Face::Dead  ::std::string  crate::module::f  dead::beef  A::b::c  ::  ::1  [::1]:8000  /usr/local/bin  /usr/bin/node
/opt/homebrew/bin  src/home/index.ts  ./home/x  pages/Users/list.tsx  /docs/home/start  /home  /home/  https://example.com/home/start
https://example.com/Users/7  /rootfs  project/root/x  ~/x  ~  ~1.2.3  ~> 1.2  /var/log/x  /data/x  @scope/package@1.2.3  pkg@1.2.3
pkg@v2.0.0-rc.1  pkg@1.x  pkg@^1.2  pkg@latest  @types/node  icon@2x.png  img@sha256:abc  a @ b  pkg@1.2.3, other  upgrade pkg@1.2.3.
follow @alice  node_modules/@scope/pkg/index.js  Chrome/120.0.6099.71  tool/1.2.3.4  v1.2.3.4  version 1.2.3.4  Version: 1.2.3.4
release=1.2.3.4  1.3.6.1.4.1.311  300.1.2.3  127.0.0.1  0.0.0.0:8000  localhost:3000  http://127.0.0.1:8000/x  ::ffff:127.0.0.1
0:0:0:0:0:0:0:1  1.2.3.4.5  25-12-09-10-11-12  2025-12-09-10-11-12  aa:bb:cc  16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48
3f2b8c1e-9a4d-4f7b-8a21-5d0c9b7e6f10  https://example.com/a?b=c#d  http://localhost:3000/@scope/x  https://example.com/@alice
git+https://github.com/o/r.git  https://host:8080/a@b  secret:set  token:create  auth:login  password:reset  tokens_used=12
max_tokens: 512  token_count=7  tokenizer: bpe  secretary: ann  Unexpected token < in JSON  unexpected token: expected  token=null
password=undefined  Invalid password  passwordless login  token =  basic authentication  Basic Setup  bearer of gifts  key: enter
monkey=7  hotkeys: on  sort --key name  --token is required  cookie: none  task-runner-with-a-long-name
disk-usage-of-everything-there-is  npm_config_registry  npm_lifecycle_event  sk-learn  pypi-publish-action-v  AKIA  eyJ  ghp_x
risk_live_x  ff_short  feature ff_enable_the_new_dashboard  xoxo  -----BEGIN CERTIFICATE-----  the user said no  userAgent  émoji 🎉 fine
linux x64 20.1.0  Linux Mint 21.2  Linux kernel 6.1.0-18  linux arm64 1.2.3  install eslint@internal  eslint@next  react@canary-1  npx tool@edge
docker run -u 1000:1000 x  docker run -u node:node x  git push -u origin main  HKLM\Software  NT AUTHORITY\SYSTEM  SRC\main.rs
FOO\bar\baz  TIMEOUT\nat x  356a192b7913b04c54574d18c28d46e6395428ab  node_modules/typescript/lib/typescriptSe
GetUserByIdAndNameFromV2ApiUsingOldCache0  uses: actions/checkout@main
C:\Windows\System32  D:\build\out  \\server\share  a/b/c.ts:12:5  50% off  a~b  x=1&y=2""",
)


@pytest.mark.parametrize(("text", "kept"), TAKEN_OUT)
def test_a_secret_in_a_text_is_replaced(text, kept):
    assert scrub_text(text) == kept


@pytest.mark.parametrize(("text", "kept"), TAKEN_OUT)
def test_a_scrubbed_text_is_unchanged_when_it_is_scrubbed_again(text, kept):
    assert scrub_text(kept) == kept


@pytest.mark.parametrize("text", [*LEFT_ALONE, "", "tab\tand\nline"])
def test_a_text_without_secrets_is_unchanged(text):
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    "text", ["node 20.10.0", "installation_completed", '{"os":"darwin","nodeVersion":"v20.10","packageManager":"npm"}', "/usr/local/bin"]
)
def test_ordinary_text_is_not_even_suspicious(text):
    assert not SUSPICIOUS.search(text.lower())


# These match to the end of the line, or only as the whole text.
WHOLE = ("Authorization: ", "authorization: ", "Cookie: ", "-----", "C:\\Users\\Alice Smith")


@pytest.mark.parametrize(("text", "kept"), [row for row in TAKEN_OUT if not row[0].startswith(WHOLE)])
def test_a_pattern_matches_within_prose(text, kept):
    assert scrub_text(f"It failed ({text}) again") in {f"It failed ({kept}) again", f"It failed ({kept} again"}


def test_each_pattern_has_an_example():
    texts = [text for text, _ in TAKEN_OUT]
    assert not [pattern.name for pattern in PATTERNS if not any(pattern.regex.search(text) for text in texts)]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_each_match_of_a_pattern_has_a_hint(pattern):
    for text, _ in TAKEN_OUT:
        if pattern.regex.search(text):
            assert pattern.hint.search(text.lower())
            assert SUSPICIOUS.search(text.lower())


def test_a_hint_without_a_literal_beginning_is_refused():
    with pytest.raises(ValueError, match="does not begin"):
        union(["[a-z]+"])
