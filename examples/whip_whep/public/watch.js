// Watches a stream by WHEP. Begins by itself when the page names a stream, and is back within a second after a loss.
import { Figures, Plot, bits } from './figures.js';
import { Keeper, Session, streamOfPage, tokenOfPage } from './session.js';

const byId = (id) => document.getElementById(id);
const video = byId('video');
const plot = new Plot(byId('plot'));
let timer = null;
let began = 0;

byId('stream').value = streamOfPage();
byId('token').value = tokenOfPage();

function setState(text, live) {
  byId('state').textContent = text;
  byId('state').classList.toggle('live', Boolean(live));
}

// Browsers play sound only after a gesture: then it begins without, and a button turns it on.
async function play() {
  try {
    await video.play();
  } catch (error) {
    if (error.name !== 'NotAllowedError') return; // a newer stream has taken its place
    video.muted = true;
    byId('sound').hidden = false;
    await video.play().catch(() => {});
  }
}
byId('sound').addEventListener('click', () => {
  video.muted = false;
  byId('sound').hidden = true;
});

function overlay(now) {
  const received = now.video?.packetsReceived ?? 0;
  const lost = now.video?.packetsLost ?? 0;
  const delay = now.video?.jitterBufferEmittedCount
    ? `${Math.round(now.video.jitterBufferDelay / now.video.jitterBufferEmittedCount * 1000)} ms` : '–';
  byId('overlay').textContent = [
    `bit rate     ${bits(now.rate)}`,
    `picture      ${now.video?.frameWidth ? `${now.video.frameWidth} × ${now.video.frameHeight}` : '–'}`,
    `frames / s   ${now.video?.framesPerSecond ?? '–'}`,
    `codec        ${now.codec ?? '–'}`,
    `round trip   ${now.roundTrip === null ? '–' : `${Math.round(now.roundTrip * 1000)} ms`}`,
    `buffer       ${delay}`,
    `lost         ${lost} of ${received + lost}`,
    `repaired     ${now.video?.retransmittedPacketsReceived ?? 0}`,
    `freezes      ${now.video?.freezeCount ?? 0}`,
    `first frame  ${began < 0 ? `${Math.round(-began)} ms` : '–'}`,
  ].join('\n');
}

async function connect() {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const endpoint = new URL(`/whep/${encodeURIComponent(byId('stream').value)}`, location);
  const mine = keeper.session = new Session(pc, endpoint, byId('token').value, (why) => keeper.lost(mine, why));
  const figures = new Figures(pc, 'inbound-rtp');
  const stream = new MediaStream();
  for (const kind of ['video', 'audio']) pc.addTransceiver(kind, { direction: 'recvonly' });
  pc.ontrack = (event) => {
    stream.addTrack(event.track);
    if (video.srcObject !== stream) {
      video.srcObject = stream;
      play();
    }
  };
  pc.onconnectionstatechange = () => {
    if (keeper.session !== mine) return;
    if (pc.connectionState === 'connected') {
      setState('waiting for the stream');
      byId('error').textContent = '';
    }
    if (pc.connectionState === 'disconnected') mine.lose();
  };
  const start = performance.now();
  began = 0;
  video.requestVideoFrameCallback?.(() => {
    if (keeper.session === mine) began = start - performance.now();
  });
  await mine.open((sdp) => sdp.replace(/(a=fmtp:111 .*useinbandfec=1)/g, '$1;stereo=1'));
  clearInterval(timer);
  timer = setInterval(async () => {
    const now = await figures.read();
    if (keeper.session !== mine || pc.connectionState !== 'connected') return;
    setState(now.rate > 0 ? 'live' : 'waiting for the stream', now.rate > 0);
    plot.add(now.rate);
    overlay(now);
  }, 500);
}

function stopped() {
  clearInterval(timer);
  video.srcObject = null;
  setState('off');
  byId('overlay').hidden = true;
  byId('go').textContent = 'watch';
  byId('go').classList.remove('stop');
}

const keeper = new Keeper({ connect, setState, setError: (text) => { byId('error').textContent = text; }, stopped }, 0.3);

function start() {
  byId('overlay').hidden = !byId('statistics').checked;
  byId('go').textContent = 'stop';
  byId('go').classList.add('stop');
  keeper.start();
}

byId('statistics').addEventListener('change', () => {
  byId('overlay').hidden = !keeper.wanted || !byId('statistics').checked;
});
byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (keeper.wanted) keeper.stop();
  else start();
});
addEventListener('pagehide', () => keeper.session?.close());
if (new URLSearchParams(location.search).has('stream')) start();
