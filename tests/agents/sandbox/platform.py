"""What people expect of the web platform, check by check: bodies of actions that return true.

Each has `at`, the address of the echoing receiver, `bytes(text)`, `hex(buffer)` and `key(hash, usages, extractable)`,
which imports an HMAC key.
"""

PRELUDE = """
const at = credentials.url, bytes = (text) => new TextEncoder().encode(text);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0")).join("");
const key = (hash = "SHA-256", usages = ["sign", "verify"], extractable = false) =>
  crypto.subtle.importKey("raw", bytes("k"), {name: "HMAC", hash}, extractable, usages);
const refused = async (what, name) => { try { await what(); return false } catch (e) { return e.name === name } };
""".replace("\n", " ")

FETCH = {
    "ok": "return (await fetch(at + '/a')).ok",
    "status": "return (await fetch(at + '/status/404')).status === 404",
    "status text": "return (await fetch(at + '/a')).statusText === 'OK'",
    "json": "return (await (await fetch(at + '/a')).json()).path === '/a'",
    "text": "return (await (await fetch(at + '/a')).text()).startsWith('{')",
    "headers": "return (await fetch(at + '/a')).headers.get('X-TEST') === 'yes'",
    "url": "return (await fetch(at + '/a')).url === at + '/a'",
    "arrayBuffer": "return (await (await fetch(at + '/a')).arrayBuffer()).byteLength > 0",
    "bytes": "return (await (await fetch(at + '/a')).bytes()) instanceof Uint8Array",
    "blob": "return (await (await fetch(at + '/a')).blob()).size > 0",
    "body is a stream": "return (await (await fetch(at + '/a')).body.getReader().read()).value.length > 0",
    "bodyUsed": "const r = await fetch(at + '/a'); await r.text(); return r.bodyUsed",
    "a body is read once": (
        "const r = await fetch(at + '/a'); await r.text(); return refused(() => r.text(), 'TypeError')"
    ),
    "clone": "const r = await fetch(at + '/a'), c = r.clone(); return (await r.text()) === (await c.text())",
    "a Request": "return (await fetch(new Request(at + '/a', {method: 'POST', body: 'x'}))).ok",
    "a URL": "return (await fetch(new URL('/a', at))).ok",
    "URLSearchParams as a body": (
        "const r = await fetch(at + '/a', {method: 'POST', body: new URLSearchParams({a: 'b c'})}), j = await r.json();"
        "return j.body === 'a=b+c' && j.headers['content-type'].startsWith('application/x-www-form-urlencoded')"
    ),
    "FormData as a body": (
        "const f = new FormData(); f.append('a', 'b'); f.append('f', new Blob(['z']), 'z.txt');"
        "const j = await (await fetch(at + '/a', {method: 'POST', body: f})).json();"
        "return /^multipart\\/form-data; ?boundary=/.test(j.headers['content-type'])"
        " && j.body.includes('filename=\"z.txt\"')"
    ),
    "Blob as a body": (
        "return (await (await fetch(at + '/a', {method: 'POST', body: new Blob(['q'])})).json()).body === 'q'"
    ),
    "Uint8Array as a body": (
        "return (await (await fetch(at + '/a', {method: 'POST', body: bytes('AB')})).json()).body === 'AB'"
    ),
    "a text has a type": (
        "const j = await (await fetch(at + '/a', {method: 'POST', body: 'x'})).json();"
        "return j.headers['content-type'].startsWith('text/plain')"
    ),
    "GET has no body": "return refused(() => fetch(at + '/a', {body: 'x'}), 'TypeError')",
    "a bad address": "return refused(() => fetch('not an address'), 'TypeError')",
    "a refused address": "return refused(() => fetch('http://127.0.0.1:1/'), 'TypeError')",
    "a method in small letters": (
        "return (await (await fetch(at + '/a', {method: 'post', body: 'x'})).json()).method === 'POST'"
    ),
    "AbortController": (
        "const c = new AbortController(), p = fetch(at + '/slow/0.2', {signal: c.signal}); c.abort();"
        "return refused(() => p, 'AbortError')"
    ),
    "AbortSignal.timeout": (
        "return refused(() => fetch(at + '/slow/0.5', {signal: AbortSignal.timeout(50)}), 'TimeoutError')"
    ),
    "AbortSignal.any": "return AbortSignal.any([AbortSignal.abort()]).aborted",
    "Headers are sorted": "return [...new Headers({b: '1', A: '2'})].join() === 'a,2,b,1'",
    "getSetCookie": (
        "const h = new Headers(); h.append('set-cookie', 'a'); h.append('set-cookie', 'b');"
        "return h.getSetCookie().length === 2"
    ),
    "an invalid header": "return refused(() => new Headers({'a b': 'x'}), 'TypeError')",
    "Response.json": "return (await Response.json({a: 1}).json()).a === 1",
    "Response.error": "return Response.error().type === 'error'",
    "Request": (
        "const r = new Request('https://x/y?z#h', {headers: {a: 'b'}});"
        "return r.method === 'GET' && r.headers.get('a') === 'b'"
    ),
}

ADDRESSES = {
    "URL": (
        "const u = new URL('https://u:p@ex.com:8443/a/b?c=d#e');"
        "return u.host === 'ex.com:8443' && u.username === 'u' && u.hash === '#e'"
    ),
    "relative URL": "return new URL('../x?q', 'https://ex.com/a/b/c').href === 'https://ex.com/a/x?q'",
    "international URL": "return new URL('https://exämple.com/ü').href === 'https://xn--exmple-cua.com/%C3%BC'",
    "usual port": "return new URL('https://ex.com:443/').port === ''",
    "odd IPv4": "return new URL('http://0x7f.1/').hostname === '127.0.0.1'",
    "IPv6": "return new URL('http://[::1]:80/').hostname === '[::1]'",
    "URL is changed": (
        "const u = new URL('http://a/'); u.searchParams.set('x', 'y z'); u.pathname = '/p q';"
        "return u.href === 'http://a/p%20q?x=y+z'"
    ),
    "URL.canParse": "return URL.canParse('https://a') && !URL.canParse('::')",
    "URLSearchParams": "return new URLSearchParams('a=1&a=2').getAll('a').join() === '1,2'",
    "URLSearchParams sorts": (
        "const p = new URLSearchParams('b=1&a=2'); p.sort(); return p.toString() === 'a=2&b=1' && p.size === 2"
    ),
    "URLPattern": ("return new URLPattern({pathname: '/a/:id'}).exec('https://x/a/3').pathname.groups.id === '3'"),
}

TEXT = {
    "UTF-8": "return new TextDecoder().decode(bytes('ü€😀')) === 'ü€😀'",
    "windows-1252": "return new TextDecoder('windows-1252').decode(new Uint8Array([0x80])) === '€'",
    "UTF-16": "return new TextDecoder('utf-16le').decode(new Uint8Array([0x41, 0])) === 'A'",
    "broken UTF-8": (
        "return refused(() => new TextDecoder('utf-8', {fatal: true}).decode(new Uint8Array([255])), 'TypeError')"
    ),
    "encodeInto": "return new TextEncoder().encodeInto('ab', new Uint8Array(2)).written === 2",
    "btoa and atob": "return atob(btoa('\\xff\\x00a')) === '\\xff\\x00a'",
    "broken base64": "return refused(() => atob('a*b'), 'InvalidCharacterError')",
    "Buffer, a habit": "return Buffer.from('hi').toString('base64') === 'aGk='",
}

CRYPTO = {
    "randomUUID": "return /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/.test(crypto.randomUUID())",
    "getRandomValues": "return crypto.getRandomValues(new Uint32Array(8)).some((x) => x)",
    "too many random values": (
        "return refused(() => crypto.getRandomValues(new Uint8Array(70000)), 'QuotaExceededError')"
    ),
    "HMAC SHA-256": "return hex(await crypto.subtle.sign('HMAC', await key(), bytes('abc'))).length === 64",
    "HMAC is wrong": (
        "return (await crypto.subtle.verify('HMAC', await key(), new Uint8Array(32), new Uint8Array(1))) === false"
    ),
    "HMAC SHA-512": (
        "return (await crypto.subtle.sign('HMAC', await key('SHA-512'), new Uint8Array(1))).byteLength === 64"
    ),
    "HMAC for one use only": (
        "const k = await key('SHA-256', ['verify']);"
        "return refused(() => crypto.subtle.sign('HMAC', k, new Uint8Array(1)), 'InvalidAccessError')"
    ),
    "HMAC from a JWK": (
        "const jwk = {kty: 'oct', k: 'AAAA', alg: 'HS256'};"
        "const k = await crypto.subtle.importKey('jwk', jwk, {name: 'HMAC', hash: 'SHA-256'}, false, ['sign']);"
        "return k.type === 'secret'"
    ),
    "a key is exported": (
        "return (await crypto.subtle.exportKey('raw', await key('SHA-256', ['sign'], true))).byteLength === 1"
    ),
    "a key is not exported": (
        "const k = await key(); return refused(() => crypto.subtle.exportKey('raw', k), 'InvalidAccessError')"
    ),
    "digests": (
        "const all = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'].map((h) => crypto.subtle.digest(h, new Uint8Array()));"
        "return (await Promise.all(all)).map((b) => b.byteLength).join() === '20,32,48,64'"
    ),
    "RSA": (
        "const name = 'RSASSA-PKCS1-v1_5', publicExponent = new Uint8Array([1, 0, 1]);"
        "const how = {name, modulusLength: 2048, publicExponent, hash: 'SHA-256'};"
        "const k = await crypto.subtle.generateKey(how, true, ['sign', 'verify']);"
        "return (await crypto.subtle.sign(name, k.privateKey, new Uint8Array(1))).byteLength === 256"
    ),
    "ECDSA": (
        "const k = await crypto.subtle.generateKey({name: 'ECDSA', namedCurve: 'P-256'}, true, ['sign', 'verify']);"
        "const how = {name: 'ECDSA', hash: 'SHA-256'};"
        "return (await crypto.subtle.sign(how, k.privateKey, new Uint8Array(1))).byteLength === 64"
    ),
    "Ed25519": (
        "const k = await crypto.subtle.generateKey('Ed25519', true, ['sign', 'verify']);"
        "return (await crypto.subtle.sign('Ed25519', k.privateKey, new Uint8Array(1))).byteLength === 64"
    ),
    "AES-GCM": (
        "const k = await crypto.subtle.generateKey({name: 'AES-GCM', length: 256}, true, ['encrypt', 'decrypt']);"
        "const how = {name: 'AES-GCM', iv: new Uint8Array(12)};"
        "return (await crypto.subtle.encrypt(how, k, new Uint8Array(4))).byteLength === 20"
    ),
    "PBKDF2": (
        "const k = await crypto.subtle.importKey('raw', new Uint8Array(4), 'PBKDF2', false, ['deriveBits']);"
        "const how = {name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(4), iterations: 10};"
        "return (await crypto.subtle.deriveBits(how, k, 256)).byteLength === 32"
    ),
    "HKDF": (
        "const k = await crypto.subtle.importKey('raw', new Uint8Array(4), 'HKDF', false, ['deriveBits']);"
        "const how = {name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(4), info: new Uint8Array()};"
        "return (await crypto.subtle.deriveBits(how, k, 256)).byteLength === 32"
    ),
}

PLACES = {
    "time zones": (
        "const how = {timeZone: 'Africa/Nairobi', hour: '2-digit', minute: '2-digit'};"
        "return new Intl.DateTimeFormat('en-GB', how).format(new Date(0)) === '03:00'"
    ),
    "currencies": (
        "const how = {style: 'currency', currency: 'EUR'};"
        "return new Intl.NumberFormat('de-DE', how).format(1234.5).includes('1.234,50')"
    ),
    "Swahili": (
        "return new Intl.DateTimeFormat('sw-KE', {month: 'long', timeZone: 'UTC'}).format(new Date(0)) === 'Januari'"
    ),
    "relative times": "return new Intl.RelativeTimeFormat('en').format(-1, 'day') === '1 day ago'",
    "plurals": "return new Intl.PluralRules('en', {type: 'ordinal'}).select(2) === 'two'",
    "words": "return [...new Intl.Segmenter('en', {granularity: 'word'}).segment('a b')].length === 3",
    "toLocaleString": "return (1234.5).toLocaleString('en-US') === '1,234.5'",
    "toLocaleDateString": (
        "return new Date(0).toLocaleDateString('en-US', {timeZone: 'UTC', dateStyle: 'long'}) === 'January 1, 1970'"
    ),
    "localeCompare": "return ['ä', 'z', 'a'].sort((a, b) => a.localeCompare(b, 'de')).join('') === 'aäz'",
    "normalize": "return 'e\\u0301'.normalize('NFC') === 'é'",
    "Temporal": "return Temporal.PlainDate.from('2026-01-31').add({months: 1}).toString() === '2026-02-28'",
}

LANGUAGE = {
    "setTimeout": (
        "const before = Date.now(); await new Promise((r) => setTimeout(r, 30)); return Date.now() - before >= 28"
    ),
    "setInterval": (
        "let n = 0; await new Promise((r) => {"
        "const i = setInterval(() => { if (++n === 3) { clearInterval(i); r() } }, 5) });"
        "await new Promise((r) => setTimeout(r, 30)); return n === 3"
    ),
    "queueMicrotask": "let x; queueMicrotask(() => { x = 1 }); await 0; await 0; return x === 1",
    "structuredClone": (
        "const o = {d: new Date(0), m: new Map([[1, 2]])}; o.o = o; const c = structuredClone(o);"
        "return c.o === c && c.m.get(1) === 2 && c.d instanceof Date"
    ),
    "structuredClone of a function": "return refused(() => structuredClone(() => 1), 'DataCloneError')",
    "Blob": "return (await new Blob(['abcd']).slice(1, 3).text()) === 'bc'",
    "File": "return new File(['x'], 'a.txt', {type: 'text/plain'}).name === 'a.txt'",
    "FormData": "const f = new FormData(); f.append('a', '1'); return f.get('a') === '1'",
    "Response.formData": "return (await new Response(new URLSearchParams('a=1')).formData()).get('a') === '1'",
    "ReadableStream": (
        "const s = new ReadableStream({start(c) { c.enqueue('x'); c.close() }});"
        "let o = ''; for await (const x of s) o += x; return o === 'x'"
    ),
    "CompressionStream": (
        "const s = new Response('abc').body.pipeThrough(new CompressionStream('gzip'));"
        "return (await new Response(s.pipeThrough(new DecompressionStream('gzip'))).text()) === 'abc'"
    ),
    "EventTarget": (
        "let n = 0; const e = new EventTarget(); e.addEventListener('x', () => n++); e.dispatchEvent(new Event('x'));"
        "return n === 1"
    ),
    "DOMException": "return new DOMException('a', 'AbortError').code === 20",
    "performance": "return typeof performance.now() === 'number'",
    "console": "console.log({a: [1, {b: 2}]}); console.table([1]); console.group('g'); console.groupEnd(); return true",
    "Error.cause": "return new Error('x', {cause: 1}).cause === 1",
    "Object.groupBy": "return Object.groupBy([1, 2], (x) => x % 2 ? 'o' : 'e').o[0] === 1",
    "Array.fromAsync": "return (await Array.fromAsync((async function* () { yield 1 })()))[0] === 1",
    "Promise.withResolvers": "return typeof Promise.withResolvers().resolve === 'function'",
    "Set.union": "return new Set([1, 2]).union(new Set([3])).size === 3",
    "regular expressions": ("return /(?<=a)\\p{L}/u.test('aé') && new RegExp('[\\\\p{L}--[a-z]]', 'v').test('é')"),
    "arrays": "return [3, 1].toSorted()[0] === 1 && [1].at(-1) === 1",
    "Symbol.dispose": "return typeof Symbol.dispose === 'symbol'",
}

CHECKS = {
    f"{group}: {name}": PRELUDE + code
    for group, checks in {
        "fetch": FETCH,
        "addresses": ADDRESSES,
        "text": TEXT,
        "crypto": CRYPTO,
        "places": PLACES,
        "language": LANGUAGE,
    }.items()
    for name, code in checks.items()
}
