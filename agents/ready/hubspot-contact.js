if (!credentials?.access_token) {
  throw new Error('This action needs a HubSpot credential. Choose one where it is installed.');
}

const api = (config.api_url || 'https://api.hubapi.com').replace(/\/+$/, '');
const contacts = `${api}/crm/v3/objects/contacts`;
const given = {
  email: params.email,
  firstname: params.first_name,
  lastname: params.last_name,
  phone: params.phone,
  company: params.company,
  ...config.properties,
};
// What the customer did not say is left out: an empty value would delete what HubSpot knows.
const properties = Object.fromEntries(Object.entries(given).filter(([, value]) => value));

const send = (method, address) => fetch(address, {
  method,
  headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${credentials.access_token}` },
  body: JSON.stringify({ properties }),
});

let r = await send('POST', contacts);
let outcome = 'created';
let answer = await r.json().catch(() => ({}));
if (r.status === 409) {
  // HubSpot names the contact that has this e-mail address already.
  const known = /Existing ID: (\d+)/.exec(answer.message ?? '')?.[1];
  outcome = 'updated';
  r = await send('PATCH', `${contacts}/${known ?? `${encodeURIComponent(params.email)}?idProperty=email`}`);
  answer = await r.json().catch(() => ({}));
}

if (r.ok) return { success: true, data: { outcome, contact_id: answer.id } };

const said = answer.message ? ` HubSpot says: ${answer.message.slice(0, 300)}` : '';
if (r.status === 401) throw new Error(`HubSpot did not accept the access token. Replace it on the credential.${said}`);
if (r.status === 403) throw new Error(`The HubSpot access token may not write contacts. Add that scope to it.${said}`);
if (r.status === 429) throw new Error(`HubSpot takes no more requests at the moment. Nothing was saved.${said}`);
throw new Error(`HubSpot could not save the contact (${r.status}).${said}`);
