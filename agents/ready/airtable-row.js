if (!credentials?.access_token) {
  throw new Error('This action needs an Airtable credential. Choose one where it is installed.');
}
if (!config.base || !config.table) {
  throw new Error(
    'Say in the configuration which Airtable base and table to use, for example {"base": "app…", "table": "Leads"}.',
  );
}

const api = (config.api_url || 'https://api.airtable.com').replace(/\/+$/, '');
// What each of our values is called in the table; a name of its own can be given in config.fields.
const columns = { name: 'Name', email: 'Email', phone: 'Phone', notes: 'Notes', ...config.fields };
const fields = {};
for (const [value, column] of Object.entries(columns)) {
  if (column && params[value]) fields[column] = params[value];
}

const r = await fetch(`${api}/v0/${encodeURIComponent(config.base)}/${encodeURIComponent(config.table)}`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${credentials.access_token}` },
  // With typecast Airtable makes a choice or a date of a text, as it does for whoever types it.
  body: JSON.stringify({ fields, typecast: true }),
});

const answer = await r.json().catch(() => ({}));
if (r.ok) return { success: true, data: { record_id: answer.id, fields: answer.fields } };

// Airtable's errors are a word, or an object with a type and a message.
const error = answer.error ?? '';
const words = typeof error === 'string' ? error : error.message || error.type || '';
const said = words ? ` Airtable says: ${words.slice(0, 300)}` : '';
if (r.status === 401) throw new Error(`Airtable did not accept the access token. Replace it on the credential.${said}`);
if (r.status === 403 || r.status === 404) {
  throw new Error(`Airtable has no such base or table, or the token may not write there.${said}`);
}
if (r.status === 429) throw new Error(`Airtable takes no more requests at the moment. The row was not added.${said}`);
throw new Error(`Airtable could not add the row (${r.status}).${said}`);
