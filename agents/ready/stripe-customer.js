if (!credentials?.secret_key) {
  throw new Error('This action needs a Stripe credential. Choose one where it is installed.');
}

const api = (config.api_url || 'https://api.stripe.com').replace(/\/+$/, '');
const query = new URLSearchParams({ email: params.email, limit: '3' });

// Only reads: a restricted key with "Customers: read" is enough.
const r = await fetch(`${api}/v1/customers?${query}`, {
  headers: { Authorization: `Bearer ${credentials.secret_key}` },
});

const answer = await r.json().catch(() => ({}));
if (r.ok) {
  // A business may have several customers with one e-mail address; Stripe gives the newest first.
  const customers = answer.data.map(({ id, name, email, currency, balance, delinquent, created }) => ({
    id, name, email, currency, balance, delinquent, since: new Date(created * 1000).toISOString(),
  }));
  return { success: true, data: { found: customers.length > 0, customers } };
}

const said = answer.error?.message ? ` Stripe says: ${answer.error.message.slice(0, 300)}` : '';
if (r.status === 401) throw new Error(`Stripe did not accept the secret key. Replace it on the credential.${said}`);
if (r.status === 403) throw new Error(`The Stripe key may not read customers. Give it that permission.${said}`);
if (r.status === 429) throw new Error(`Stripe takes no more requests at the moment.${said}`);
throw new Error(`Stripe could not look up the customer (${r.status}).${said}`);
