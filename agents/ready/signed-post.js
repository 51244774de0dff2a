if (!credentials?.webhook_url) {
  throw new Error('This action needs a webhook credential. Choose one where it is installed.');
}
if (!credentials.secret) throw new Error('The webhook credential has no secret to sign with. Enter one on its page.');

const body = JSON.stringify({
  event: config.event || 'lead.captured',
  source: 'chat',
  customer: { email: params.email, name: params.name ?? null },
  message: params.message ?? null,
  conversation_id: params.conversation_id,
});

// The receiver computes the same over "timestamp.body" and compares. It refuses old timestamps, so that nobody can
// send a copy of this request again later.
const timestamp = Math.floor(Date.now() / 1000).toString();
const text = new TextEncoder();
const key = await crypto.subtle.importKey(
  'raw', text.encode(credentials.secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'],
);
const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, text.encode(`${timestamp}.${body}`)));
const signature = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-Timestamp': timestamp, 'X-Signature': signature },
  body,
});

if (r.status === 401 || r.status === 403) {
  throw new Error(`The receiver did not accept the signature (${r.status}). Both sides need the same secret.`);
}
if (!r.ok) throw new Error(`The receiver refused the request (${r.status}): ${(await r.text()).slice(0, 200)}`);
return { success: true, data: { status: r.status } };
