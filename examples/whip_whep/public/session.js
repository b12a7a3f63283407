// One WHIP or WHEP session: the POST, its end, and an ICE restart. What the server says is followed: its Location, its
// ETag, its Retry-After.

// A token is taken from the page's fragment, which is never sent to anybody: #token=...
export function tokenOfPage() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
}

export function streamOfPage() {
  return new URLSearchParams(location.search).get('stream') ?? 'demo';
}

// What went wrong, and how many seconds to wait before the next try (0: it makes no sense).
export class Refusal extends Error {
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function refusalOf(response) {
  let why = response.statusText;
  try {
    const problem = await response.json();
    why = problem.detail ?? problem.title ?? why;
  } catch { /* not every refusal says why */ }
  const wait = Number(response.headers.get('Retry-After') ?? 0);
  return new Refusal(`${response.status}: ${why}`, response.status, response.status === 409 || response.status === 503 ? Math.max(wait, 1) : 0);
}

export class Session {
  // `lost` is called once: without a word when the server has said goodbye, with what went wrong when the connection has failed.
  constructor(pc, endpoint, token, lost) {
    this.pc = pc;
    this.lost = lost;
    this.endpoint = endpoint;
    this.headers = token ? { Authorization: `Bearer ${token}` } : {};
  }

  async open(patchOffer = (sdp) => sdp) {
    const offer = await this.pc.createOffer();
    offer.sdp = patchOffer(offer.sdp);
    await this.pc.setLocalDescription(offer);
    const response = await fetch(this.endpoint, {
      method: 'POST', body: offer.sdp, headers: { ...this.headers, 'Content-Type': 'application/sdp' },
    });
    if (response.status !== 201) {
      throw await refusalOf(response);
    }
    this.url = new URL(response.headers.get('Location'), this.endpoint);
    this.etag = response.headers.get('ETag');
    if (this.pc.signalingState === 'closed') { // the page has gone on meanwhile
      await this.close();
      return;
    }
    await this.pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    // A goodbye closes the transport, which is no change of the connection's state.
    const { transport } = this.pc.getTransceivers()[0].sender;
    transport.addEventListener('statechange', () => transport.state === 'closed' && this.lose());
    this.pc.addEventListener('connectionstatechange', () => this.pc.connectionState === 'failed' && this.lose(this.failure()));
  }

  lose(why = '') {
    const { lost } = this;
    this.lost = null;
    lost?.(why);
  }

  // Firefox pairs loopback addresses with no others, and has none of its own.
  failure() {
    const addresses = [...this.pc.remoteDescription.sdp.matchAll(/^a=candidate:\S+ 1 udp \d+ (\S+)/gmi)].map((found) => found[1]);
    const unreachable = navigator.userAgent.includes('Firefox') && addresses.every((one) => /^127\.|^::1$/.test(one));
    return unreachable ? 'Firefox sends no media to loopback addresses: start the server with --media-bind 0.0.0.0.'
      : 'No connection to the server\'s media port.';
  }

  // New ICE credentials for the same session: after a change of network, say.
  async restart() {
    const offer = await this.pc.createOffer({ iceRestart: true });
    await this.pc.setLocalDescription(offer);
    const line = (sdp, name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))[0].trim();
    const body = [line(offer.sdp, 'ice-ufrag'), line(offer.sdp, 'ice-pwd'), ''].join('\r\n');
    const response = await fetch(this.url, {
      method: 'PATCH', body, headers: { ...this.headers, 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
    });
    if (response.status !== 200) {
      throw await refusalOf(response);
    }
    this.etag = response.headers.get('ETag');
    const fragment = await response.text();
    const sdp = this.pc.remoteDescription.sdp
      .replace(/^a=ice-ufrag:.*$/gm, line(fragment, 'ice-ufrag'))
      .replace(/^a=ice-pwd:.*$/gm, line(fragment, 'ice-pwd'));
    await this.pc.setRemoteDescription({ type: 'answer', sdp });
  }

  // keepalive: also while the page is being left.
  async close() {
    this.lost = null;
    this.pc.close();
    if (this.url) {
      const url = this.url;
      this.url = null;
      await fetch(url, { method: 'DELETE', headers: this.headers, keepalive: true }).catch(() => {});
    }
  }
}

// Keeps a session going for as long as it is wanted: what is lost, or refused for a while, is tried again. `page` has
// connect(), which makes a session and puts it into keeper.session before it waits for anything, setState(text),
// setError(text) and stopped().
export class Keeper {
  constructor(page, pause) {
    this.page = page;
    this.pause = pause; // seconds before another try
    this.session = null;
    this.wanted = false;
  }

  start() {
    this.wanted = true;
    this.page.setError('');
    return this.attempt(0);
  }

  async lost(old, why) {
    if (this.session !== old || !this.wanted) return;
    this.page.setError(why);
    this.session = null;
    await old.close();
    this.attempt(this.pause);
  }

  async attempt(seconds) {
    if (seconds > 0) {
      this.page.setState('reconnecting');
      await new Promise((done) => setTimeout(done, seconds * 1000));
    }
    if (!this.wanted) return;
    try {
      await this.page.connect();
    } catch (error) {
      this.page.setError(error.message);
      const failed = this.session;
      this.session = null;
      failed?.pc.close();
      const network = error instanceof TypeError;
      if (this.wanted && (network || error.retryAfter)) this.attempt(network ? 0.5 : error.retryAfter);
      else this.stop();
    }
  }

  async stop() {
    this.wanted = false;
    const old = this.session;
    this.session = null;
    await old?.close();
    this.page.stopped();
  }
}
