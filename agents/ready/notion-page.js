if (!credentials?.access_token) {
  throw new Error('This action needs a Notion credential. Choose one where it is installed.');
}
if (!config.database) {
  throw new Error('Say in the configuration which Notion database gets the page: {"database": "d9824bdc8445…"}.');
}

const api = (config.api_url || 'https://api.notion.com').replace(/\/+$/, '');
// Notion takes 2,000 UTF-16 units in one piece of text, and one sign may be two of them.
const pieces = (text) => (text.match(/[^]{1,1000}/gu) ?? []).map((content) => ({ type: 'text', text: { content } }));
const paragraph = (text) => ({ object: 'block', type: 'paragraph', paragraph: { rich_text: pieces(text) } });
const texts = [params.text, params.email && `E-mail: ${params.email}`].filter(Boolean);

const r = await fetch(`${api}/v1/pages`, {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'Notion-Version': '2022-06-28',
    Authorization: `Bearer ${credentials.access_token}`,
  },
  body: JSON.stringify({
    parent: { database_id: config.database },
    properties: { [config.title_property || 'Name']: { title: pieces(params.title) } },
    children: texts.map(paragraph),
  }),
});

const answer = await r.json().catch(() => ({}));
if (r.ok) return { success: true, data: { page_id: answer.id, url: answer.url } };

const said = answer.message ? ` Notion says: ${answer.message.slice(0, 300)}` : '';
if (r.status === 401) throw new Error(`Notion did not accept the access token. Replace it on the credential.${said}`);
if (r.status === 404) throw new Error(`Notion shows the integration no such database. Connect it in Notion.${said}`);
if (r.status === 429) throw new Error(`Notion takes no more requests at the moment. The page was not made.${said}`);
throw new Error(`Notion could not make the page (${r.status}).${said}`);
