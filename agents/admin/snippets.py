"""What the editor's *Insert* menu offers, and what its side panel says about the credential that was chosen."""

from typing import Any

from agents.library import READY
from chatzuri.credentials import KINDS

POST_JSON = """\
const r = await fetch(config.url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ customer: params.email }),
});

if (!r.ok) throw new Error(`The receiver answered ${r.status}`);
return { success: true };
"""

# The example of the product's guide, word for word.
GUIDE_EXAMPLE = READY["post-json"].code

SIGNED_POST = """\
const body = JSON.stringify({ customer: params.email, timestamp: new Date().toISOString() });

// The receiver computes the same HMAC over the raw body and compares.
const text = new TextEncoder();
const algorithm = { name: 'HMAC', hash: 'SHA-256' };
const key = await crypto.subtle.importKey('raw', text.encode(credentials.secret), algorithm, false, ['sign']);
const mac = await crypto.subtle.sign('HMAC', key, text.encode(body));
const signature = [...new Uint8Array(mac)].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-Signature': `sha256=${signature}` },
  body,
});

if (!r.ok) throw new Error(`The receiver answered ${r.status}`);
return { success: true };
"""

GET_A_FIELD = """\
const url = new URL(config.url);
url.searchParams.set('q', params.query);

const r = await fetch(url, { headers: { Accept: 'application/json' } });
if (r.status === 404) return { success: false, error: 'Nothing was found.' };
if (!r.ok) throw new Error(`The server answered ${r.status}`);

const found = await r.json();
return { success: true, data: { name: found.name } };
"""

SNIPPETS = (
    ("POST JSON", POST_JSON),
    ("POST with X-Webhook-Secret", GUIDE_EXAMPLE),
    ("POST signed with HMAC (crypto.subtle)", SIGNED_POST),
    ("GET, and pick a field", GET_A_FIELD),
)


def credential_fields() -> list[dict[str, Any]]:
    """Each kind of credential and the names that the code reads on `credentials`."""
    return [
        {
            "kind": name,
            "label": kind.label,
            "fields": [(declared.name, "" if declared.is_required else "may be missing") for declared in kind.fields],
        }
        for name, kind in KINDS.items()
    ]
