const POLL_MS = 2000;
const TOKEN = 'aimx-token';
const byId = (id) => document.getElementById(id);

/** Builds an element; text is always set as text, so nothing a device sends becomes markup. */
function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value) node.setAttribute(key, value);
  node.append(...children.map((child) => (child instanceof Node ? child : String(child ?? '–'))));
  return node;
}

/** A table from rows and `[title, value, class]` columns, or a sentence when there are no rows. */
function table(rows, columns, empty) {
  if (rows.length === 0) return element('p', { class: 'faint' }, empty);
  const head = element(
    'tr',
    {},
    ...columns.map(([title, , kind]) => element('th', { class: kind, scope: 'col' }, title)),
  );
  const lines = rows.map((row) =>
    element('tr', {}, ...columns.map(([, value, kind]) => element('td', { class: kind }, value(row)))),
  );
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...lines));
}

function sparkline(values) {
  if (!values || values.length < 2) return '';
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
  const top = Math.max(...values, 1e-9);
  const points = values.map((value, i) => `${(i / (values.length - 1)) * 120},${23 - (value / top) * 22}`);
  line.setAttribute('points', points.join(' '));
  svg.setAttribute('viewBox', '0 0 120 24');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `rate, at most ${number(top)} a second`);
  svg.append(line);
  return svg;
}

const number = (value) => Number(value).toLocaleString(undefined, { maximumFractionDigits: 1 });
const last = (values) => (values?.length ? `${number(values[values.length - 1])}/s` : '–');
const clockTime = (ms) => (ms ? new Date(ms).toLocaleTimeString() : '–');
const mark = (good, yes, no) => element('span', { class: good ? 'good' : 'bad' }, good ? yes : no);

function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let i = 0;
  for (; value >= 1024 && i < units.length - 1; i++) value /= 1024;
  return `${number(value)} ${units[i]}`;
}

function duration(ms) {
  const minutes = Math.floor(ms / 60000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}

/** An amount in the smallest unit as tokens, exactly. */
function amount(text, decimals) {
  const digits = text.padStart(decimals + 1, '0');
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  const whole = decimals === 0 ? digits : digits.slice(0, -decimals);
  return fraction === '' ? whole : `${whole}.${fraction}`;
}

function outputs(result) {
  return Object.entries(result.outputs)
    .map(([name, value]) => {
      if (typeof value === 'number') return `${name} ${Number(value.toPrecision(4))}`;
      return Array.isArray(value) ? `${name} [${value.length}]` : `${name} ${value}`;
    })
    .join(' · ');
}

function show(id, node) {
  byId(id).replaceChildren(node);
}

function showStatus(s) {
  document.title = `${s.gateway} – AIMX edge gateway`;
  byId('name').textContent = s.gateway;
  const synced = s.timeSynced ? '' : ' · clock not set';
  byId('state').textContent =
    `${s.state} · up ${duration(s.now - s.startedAt)} · version ${s.version} · ${s.connections} MQTT connections${synced}`;
  byId('doors').textContent = s.doors.join(' · ');
  byId('alarms').replaceChildren(
    ...s.alarms.map((a) =>
      element(
        'p',
        {},
        element('strong', { class: a.severity === 'critical' ? 'bad' : 'warning' }, a.message),
        ` ${a.fix}`,
      ),
    ),
  );
  show(
    'streams',
    table(
      s.streams,
      [
        ['Stream', (r) => r.id],
        ['Rate', (r) => last(s.rates.streams[r.id]), 'number'],
        ['', (r) => sparkline(s.rates.streams[r.id])],
        ['Accepted', (r) => number(r.accepted), 'number'],
        ['Rejected', (r) => number(r.rejected), 'number'],
        ['Devices', (r) => number(r.devices), 'number'],
        ['Kept', (r) => bytes(r.bytes), 'number'],
        ['Last', (r) => clockTime(r.lastArrival), 'number'],
      ],
      'No streams are configured.',
    ),
  );
  show(
    'pipelines',
    table(
      s.pipelines,
      [
        ['Pipeline', (r) => r.id],
        ['Rate', (r) => last(s.rates.pipelines[r.id]), 'number'],
        ['', (r) => sparkline(s.rates.pipelines[r.id])],
        ['Model', (r) => r.model],
        ['Results', (r) => number(r.results), 'number'],
        ['Pending', (r) => number(r.pending), 'number'],
        ['Failed', (r) => number(r.failed + r.shed), 'number'],
        ['p50', (r) => (r.latencyMs ? `${number(r.latencyMs.p50)} ms` : '–'), 'number'],
        ['p99', (r) => (r.latencyMs ? `${number(r.latencyMs.p99)} ms` : '–'), 'number'],
      ],
      'No pipelines are configured.',
    ),
  );
  show(
    'results',
    table(
      s.results,
      [
        ['Time', (r) => clockTime(r.time)],
        ['Pipeline', (r) => r.pipeline],
        ['Device', (r) => r.device],
        ['Outputs', outputs, 'wide'],
      ],
      'No results yet.',
    ),
  );
  show(
    'upstream',
    table(
      s.upstream,
      [
        ['Sink', (r) => r.id],
        ['', (r) => mark(r.connected, 'connected', 'not connected')],
        ['Sent', (r) => number(r.sent), 'number'],
        ['Waiting', (r) => number(r.backlog), 'number'],
        ['', (r) => bytes(r.backlogBytes), 'number'],
        ['Given up', (r) => number(r.dropped), 'number'],
        ['Oldest', (r) => (r.oldest ? duration(s.now - r.oldest) : '–'), 'number'],
        ['Last error', (r) => r.lastError ?? '–', 'wide'],
      ],
      'No upstream is configured.',
    ),
  );
  showBilling(s.billing);
}

function showBilling(b) {
  if (!b) {
    show('billing', element('p', { class: 'faint' }, 'Billing is not configured.'));
    return;
  }
  const total = `${number(b.receipts)} receipts, ${amount(b.amount, b.decimals)} ${b.symbol}, ${number(b.pending)} not yet final`;
  byId('billing').replaceChildren(
    element('p', {}, total),
    table(
      b.batches,
      [
        ['Batch', (r) => r.id],
        ['State', (r) => r.state],
        ['Receipts', (r) => number(r.receipts), 'number'],
        ['Amount', (r) => `${amount(r.amount, b.decimals)} ${b.symbol}`, 'number'],
        ['Transaction', (r) => r.txHash ?? '–', 'wide'],
      ],
      'No batch yet.',
    ),
  );
}

function showDevices(devices) {
  const total = (r) => r.streams.reduce((sum, s) => sum + s.readings, 0);
  const seen = (r) => Math.max(0, ...r.streams.map((s) => s.lastArrival));
  show(
    'devices',
    table(
      devices,
      [
        ['Device', (r) => r.name],
        ['Role', (r) => r.role ?? '–'],
        ['Streams', (r) => r.streams.map((s) => s.stream).join(', ') || '–'],
        ['Readings', (r) => number(total(r)), 'number'],
        ['Last', (r) => clockTime(seen(r)), 'number'],
      ],
      'No devices yet.',
    ),
  );
}

async function get(path) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(10000),
  });
  if (response.status === 401) {
    sessionStorage.removeItem(TOKEN);
    const error = new Error('login needed');
    error.login = true;
    throw error;
  }
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  return response.json();
}

let timer;

async function poll() {
  clearTimeout(timer);
  let next = POLL_MS;
  if (document.visibilityState === 'visible') {
    try {
      const [status, devices] = await Promise.all([get('/api/v1/status'), get('/api/v1/devices?limit=50')]);
      byId('main').hidden = false;
      byId('login').hidden = true;
      showStatus(status);
      showDevices(devices);
    } catch (error) {
      if (error.login) {
        byId('main').hidden = true;
        byId('login').hidden = false;
        byId('state').textContent = 'log in to see more';
        return;
      }
      byId('state').replaceChildren(
        element('span', { class: 'bad' }, `not reachable (${error.message}), trying again`),
      );
      next = 2 * POLL_MS;
    }
  }
  timer = setTimeout(poll, next);
}

byId('login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(event.target)));
  byId('login-error').textContent = '';
  try {
    const response = await fetch('/api/v1/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error?.message ?? response.status);
    sessionStorage.setItem(TOKEN, answer.token);
    event.target.reset();
    poll();
  } catch (error) {
    byId('login-error').textContent = error.message;
  }
});
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && poll());
poll();
