"""Secrets with known prefixes, as a table for `patterns`."""

from __future__ import annotations

LINE = r"(?<=\\[nrt])"  # after an escaped line end
START = rf"(?:(?<![A-Za-z0-9_-])|{LINE})"

# (issuer, pattern, hints)
TOKENS_BY_PREFIX = (
    ("a JSON Web Token", r"eyJ[\w-]{8,}+(?:\.[\w-]*+){0,4}", ("eyj",)),
    ("AWS", r"A[KS]IA[A-Z0-9]{16}", ("akia[a-z0-9]{16}", "asia[a-z0-9]{16}")),
    ("Google", r"AIza[\w-]{30,}+|ya29\.[\w-]{20,}+|GOCSPX-[\w-]{20,}+", ("aiza", r"ya29\.", "gocspx-")),
    ("GitHub", r"gh[pousr]_\w{16,}+|github_pat_\w{16,}+", ("gh[pousr]_", "github_pat_")),
    ("GitLab", r"gl(?:pat|dt|rt|cbt|ptt|soat|agent|oas)-[\w-]{16,}+", ("gl(?:pat|dt|rt|cbt|ptt|soat|agent|oas)-",)),
    ("Slack", r"xox[a-z]-[\w-]{10,}+|xapp-[\w-]{10,}+", ("xox[a-z]-", "xapp-")),
    ("Stripe", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[\w+/=]{16,}+", ("sk_(?:live|test)_", "rk_(?:live|test)_", "whsec_")),
    ("npm", r"npm_[A-Za-z0-9]{30,}+", ("npm_[a-z0-9]{30}",)),
    ("PyPI", rf"{START}pypi-(?=[a-z_-]*+[A-Z0-9])[\w-]{{16,}}+", ("pypi-",)),
    ("OpenAI, Anthropic", rf"{START}sk-(?=[a-z_-]*+[A-Z0-9])[\w-]{{16,}}+", (r"sk-[\w-]{16}",)),
    ("Hugging Face, Groq", rf"{START}(?:hf|gsk)_[A-Za-z0-9]{{30,}}+", ("hf_[a-z0-9]{30}", "gsk_[a-z0-9]{30}")),
    ("SendGrid", r"SG\.[\w-]{16,}+\.[\w-]{16,}+", (r"sg\.[\w-]{16}",)),
    ("DigitalOcean, Docker", r"(?:do[opr]_v1|dckr_pat)_[\w-]{16,}+", ("do[opr]_v1_", "dckr_pat_")),
    ("Shopify, Databricks", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|dapi[0-9a-f]{32}", ("shp(?:at|ca|pa|ss)_", "dapi[0-9a-f]{32}")),
    ("Atlassian, Vault", r"ATATT3[\w=-]{16,}+|hv[sbr]\.[\w-]{20,}+", ("atatt3", r"hv[sbr]\.")),
    (
        "crates.io, RubyGems",
        rf"{START}cio[A-Za-z0-9]{{32}}(?![A-Za-z0-9])|rubygems_[0-9a-f]{{32,}}+",
        ("cio[a-z0-9]{32}", "rubygems_[0-9a-f]{32}"),
    ),
    ("Grafana, Linear", r"gl(?:sa|c)_[\w+/=-]{20,}+|lin_(?:api|oauth)_[A-Za-z0-9]{20,}+", ("gl(?:sa|c)_", "lin_(?:api|oauth)_")),
    (
        "Tailscale, Doppler",
        rf"{START}(?:tskey-[\w-]{{16,}}+|dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{{20,}}+)",
        ("tskey-", r"dp\.(?:pt|st|ct|sa|scim|audit)\."),
    ),
    ("Figma, NVIDIA, Supabase", r"figd_[\w-]{20,}+|nvapi-[\w-]{20,}+|sbp_[0-9a-f]{32,}+", ("figd_", "nvapi-", "sbp_[0-9a-f]{32}")),
    ("Replicate, Notion", rf"{START}(?:r8_[A-Za-z0-9]{{30,}}+|ntn_[A-Za-z0-9]{{30,}}+)", ("r8_[a-z0-9]{30}", "ntn_[a-z0-9]{30}")),
    ("Square, Postman", r"sq0[a-z]{3}-[\w-]{20,}+|PMAK-[0-9a-f-]{40,}+", ("sq0[a-z]{3}-", "pmak-")),
    (
        "HubSpot, Mailgun",
        rf"{START}(?:pat-[a-z]{{2,3}}[0-9]-[0-9a-f-]{{36}}|key-[0-9a-f]{{32}}(?![0-9a-f]))",
        ("pat-[a-z]{2,3}[0-9]-", "key-[0-9a-f]{32}"),
    ),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}+", ("age-secret-key-1",)),
    ("a Telegram bot", r"[0-9]{8,10}:[\w-]{35}(?![\w-])", (r":[\w-]{35}",)),
    ("Footfall", rf"{START}ff_(?=[a-z_-]*+[A-Z0-9])[\w-]{{20,}}+", (r"ff_[\w-]{20}",)),
)
