if (!credentials?.webhook_url) {
  throw new Error('This action needs a webhook credential with the address of your Apps Script web app (…/exec).');
}

const row = {
  name: params.name ?? '',
  email: params.email ?? '',
  phone: params.phone ?? '',
  notes: params.notes ?? '',
  conversation_id: params.conversation_id ?? '',
};

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  // Apps Script cannot read headers, so the secret travels in the body.
  body: JSON.stringify({ ...(credentials.secret ? { secret: credentials.secret } : {}), sheet: config.sheet, row }),
  // Google runs the script and answers with a redirect to another server that holds the result. Following it only
  // reads that result: the row is not added a second time.
  redirect: 'follow',
});

const text = await r.text();
if (!r.ok) throw new Error(`Google refused this (${r.status}). Check the address of the web app on the credential.`);
let answer;
try {
  answer = JSON.parse(text);
} catch {
  throw new Error(
    'Google answered with a page instead of the script\'s result. Deploy the web app with access for "Anyone", ' +
    'and look at the executions of the script for its error.',
  );
}
const why = String(answer.error ?? 'it gave no reason').slice(0, 300);
if (!answer.ok) throw new Error(`The script did not add the row: ${why}`);
return { success: true, data: { row: answer.row } };
