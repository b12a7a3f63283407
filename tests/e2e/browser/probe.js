// A WHIP and WHEP client for tests, in one page as often as wanted. It knows nothing of the server's own pages, and holds
// each session under a name.
'use strict';

const sessions = {};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(condition, ms, what) {
  for (const end = performance.now() + ms; performance.now() < end; await pause(10)) {
    if (condition()) return;
  }
  throw new Error(`not in ${ms} ms: ${what}`);
}

const gathered = (pc) => until(() => pc.iceGatheringState === 'complete', 5000, 'candidates gathered');
const connected = (pc) => until(() => pc.connectionState === 'connected', 10000, 'connected');

// ---- pictures

// A plane of one colour, by which a viewer knows what it sees, with a bar that moves.
function picture({ width = 320, height = 240, fps = 20, colour = 'rgb(200, 40, 40)' }) {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d');
  Object.assign(canvas, { width, height });
  let n = 0;
  const draw = () => {
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#fff';
    context.fillRect((n++ * 7) % width, height * 0.8, width / 10, height * 0.2);
  };
  draw();
  const timer = setInterval(draw, 1000 / fps);
  const stream = canvas.captureStream(fps);
  stream.getVideoTracks()[0].addEventListener('ended', () => clearInterval(timer));
  return stream;
}

// Notes when frames are shown, and how large they are.
function note(session) {
  session.shown.push({ at: performance.now(), width: session.video.videoWidth });
  session.video.requestVideoFrameCallback(() => note(session));
}

// How long it took from a moment until frames of that width were shown, and the longest wait for a frame on the way.
function change(name, since, width) {
  const { shown } = sessions[name];
  const there = shown.findIndex((one, i) => one.at > since && one.width === width && shown[i + 1]?.width === width);
  if (there < 0) return null;
  const on = shown.slice(0, there + 2).filter((one, i) => (shown[i + 1] ?? one).at > since);
  const waits = on.slice(1).map((one, i) => one.at - on[i].at);
  return { took: (shown[there].at - since) / 1000, wait: Math.max(...waits) / 1000 };
}

// What a viewer sees in the middle.
function colourOf(video) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(video, video.videoWidth / 2, video.videoHeight / 3, 1, 1, 0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

// ---- signaling

function headers(session, more) {
  return session.token ? { Authorization: `Bearer ${session.token}`, ...more } : more;
}

// The POST. With `early` the offer is sent before it has candidates.
async function post(session, url, early) {
  const { pc } = session;
  pc.addEventListener('icecandidate', (event) => event.candidate?.candidate && session.candidates.push(event.candidate));
  await pc.setLocalDescription();
  const bare = pc.localDescription.sdp.replace(/^a=(candidate|end-of-candidates).*\r\n/gm, '');
  if (!early) await gathered(pc);
  session.offer = early ? bare : pc.localDescription.sdp;
  const response = await fetch(url, {
    method: 'POST', body: session.offer, headers: headers(session, { 'Content-Type': 'application/sdp' }),
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`POST: ${response.status} ${body}`);
  session.url = new URL(response.headers.get('Location'), url).href;
  session.etag = response.headers.get('ETag');
  session.answer = body;
  await pc.setRemoteDescription({ type: 'answer', sdp: body });
}

// RFC 8840, of the local description as it is now.
function fragment(session) {
  const sdp = session.pc.localDescription.sdp;
  const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))[0].trim();
  const first = sdp.match(/^m=.*$/m)[0].trim();
  const own = session.candidates.filter((one) => one.sdpMLineIndex === 0).map((one) => `a=${one.candidate}`);
  return [line('group'), line('ice-ufrag'), line('ice-pwd'), first, line('mid'), ...own, 'a=end-of-candidates', '']
    .join('\r\n');
}

async function patch(name, match) {
  const session = sessions[name];
  const response = await fetch(session.url, {
    method: 'PATCH',
    body: fragment(session),
    headers: headers(session, { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': match ?? session.etag }),
  });
  return { status: response.status, etag: response.headers.get('ETag'), body: await response.text() };
}

const trickle = async (name) => {
  await gathered(sessions[name].pc);
  return patch(name);
};

async function restart(name) {
  const session = sessions[name];
  const { pc } = session;
  const old = session.etag;
  session.candidates = [];
  await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
  await gathered(pc);
  const answer = await patch(name, '*');
  if (answer.status !== 200) throw new Error(`PATCH: ${answer.status} ${answer.body}`);
  const line = (sdp, what) => sdp.match(new RegExp(`^a=${what}:.*$`, 'm'))[0].trim();
  const sdp = ['ice-ufrag', 'ice-pwd'].reduce(
    (all, what) => all.replace(new RegExp(`^a=${what}:.*$`, 'gm'), line(answer.body, what)), session.answer);
  await pc.setRemoteDescription({ type: 'answer', sdp });
  session.answer = sdp;
  session.etag = answer.etag;
  return { changed: answer.etag !== null && answer.etag !== old, body: answer.body };
}

// The local ufrag of the pair that is in use.
async function selected(name) {
  const report = await sessions[name].pc.getStats();
  const transport = [...report.values()].find((one) => one.type === 'transport');
  return report.get(report.get(transport?.selectedCandidatePairId)?.localCandidateId)?.usernameFragment ?? null;
}

async function leave(name) {
  const session = sessions[name];
  const response = await fetch(session.url, { method: 'DELETE', headers: headers(session, {}) });
  return response.status;
}

// Without a word: the page closes its transport and sends no DELETE.
function drop(name) {
  const { pc, stream } = sessions[name];
  stream?.getTracks().forEach((track) => track.stop());
  pc.close();
}

// ---- sessions

async function publish(name, url, options = {}) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const session = sessions[name] = { pc, token: options.token, candidates: [] };
  const stream = session.stream = picture(options);
  if (options.audio !== false) {
    const sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    stream.addTrack(sound.getAudioTracks()[0]);
  }
  for (const track of stream.getTracks()) {
    const encodings = track.kind === 'audio' ? [{}] : options.encodings ?? [{ maxBitrate: options.rate ?? 400000 }];
    const transceiver = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings: encodings });
    if (track.kind === 'video' && options.codec) {
      const all = RTCRtpSender.getCapabilities('video').codecs;
      transceiver.setCodecPreferences(all.filter((one) => one.mimeType === `video/${options.codec}` || /rtx/i.test(one.mimeType)));
    }
  }
  await post(session, url, options.early);
  if (!options.early) await connected(pc);
}

async function watch(name, url, options = {}) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const video = document.body.appendChild(document.createElement('video'));
  const session = sessions[name] = { pc, token: options.token, candidates: [], video, tracks: [], shown: [] };
  const stream = video.srcObject = new MediaStream();
  Object.assign(video, { autoplay: true, playsInline: true });
  pc.addEventListener('track', (event) => {
    stream.addTrack(event.track);
    session.tracks.push({ kind: event.track.kind, stream: event.streams[0]?.id });
  });
  video.requestVideoFrameCallback?.(() => note(session));
  for (const kind of ['video', 'audio']) pc.addTransceiver(kind, { direction: 'recvonly' });
  await post(session, url, options.early);
  if (!options.early) await connected(pc);
}

// Which encodings of a simulcast sender are on.
async function activate(name, active) {
  const sender = sessions[name].pc.getSenders().find((one) => one.track?.kind === 'video');
  const parameters = sender.getParameters();
  parameters.encodings.forEach((encoding, i) => { encoding.active = active[i]; });
  await sender.setParameters(parameters);
  return performance.now();
}

// ---- what is going on

async function look(name) {
  const { pc, video, tracks } = sessions[name];
  const report = await pc.getStats();
  const result = {
    state: pc.connectionState, ice: pc.iceConnectionState, tracks, sent: [],
    transport: (pc.getReceivers()[0] ?? pc.getSenders()[0])?.transport?.state,
  };
  const codec = (entry) => report.get(entry.codecId)?.mimeType.split('/')[1];
  report.forEach((entry) => {
    if (entry.type === 'inbound-rtp') result[entry.kind] = { ...entry, codec: codec(entry) };
    if (entry.type === 'outbound-rtp' && entry.kind === 'video') result.sent.push({ ...entry, codec: codec(entry) });
    if (entry.type === 'remote-inbound-rtp' && entry.kind === 'video') result.heard = entry;
    if (entry.type === 'transport') result.srtp = entry.srtpCipher;
  });
  if (video?.videoWidth) {
    Object.assign(result, { width: video.videoWidth, height: video.videoHeight, colour: colourOf(video) });
  }
  return result;
}
