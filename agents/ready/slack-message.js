if (!credentials?.webhook_url) {
  throw new Error('This action needs a webhook credential with the address of a Slack incoming webhook.');
}

// Slack reads these three signs as markup; a customer who types them means the signs.
const plain = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const who = [params.name, params.email].filter(Boolean).join(', ');
const lines = [config.title && `*${plain(config.title)}*`, plain(params.text), who && `From: ${plain(who)}`];

const r = await fetch(credentials.webhook_url, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({ text: lines.filter(Boolean).join('\n') }),
});

if (r.ok) return { success: true, data: { posted: true } };

const said = (await r.text()).trim().slice(0, 200);
const gone = 'The Slack webhook does not exist any more. Make a new one and replace its address on the credential.';
const sentences = {
  no_service: gone,
  no_service_id: gone,
  no_team: gone,
  invalid_token: gone,
  no_active_hooks: gone,
  channel_not_found: 'The Slack channel of this webhook was not found.',
  channel_is_archived: 'The Slack channel of this webhook is archived. Open it again, or use another webhook.',
  action_prohibited: 'An administrator of the Slack workspace does not allow this webhook to post.',
};
if (r.status === 429) throw new Error('Slack takes no more messages at the moment. This one was not posted.');
throw new Error(`${sentences[said] ?? `Slack refused this (${r.status}).`} Slack says: ${said}`);
