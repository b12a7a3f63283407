// Publishes a camera, a screen or a test pattern by WHIP, and goes on after a loss of the connection.
import { Figures, Plot, bits, show } from './figures.js';
import { testPattern } from './pattern.js';
import { Keeper, Session, streamOfPage, tokenOfPage } from './session.js';

const byId = (id) => document.getElementById(id);
const plot = new Plot(byId('plot'));
let source = null; // { stream, stop }
let timer = null;

byId('stream').value = streamOfPage();
byId('token').value = tokenOfPage();

const offered = new Set(RTCRtpSender.getCapabilities('video').codecs
  .map((codec) => codec.mimeType.split('/')[1]).filter((name) => !/rtx|red|ulpfec|flexfec/i.test(name)));
for (const name of offered) byId('codec').add(new Option(name, name));

function watchLink() {
  const url = new URL('watch.html', location);
  url.searchParams.set('stream', byId('stream').value);
  byId('watch').href = byId('watch').textContent = url;
}
byId('stream').addEventListener('input', watchLink);
watchLink();

async function capture() {
  if (byId('source').value === 'pattern') {
    return testPattern(1280, 720);
  }
  const devices = navigator.mediaDevices;
  if (!devices) {
    throw new Error('Cameras and screens need a secure page: open it as http://127.0.0.1 or by https.');
  }
  const stream = byId('source').value === 'camera'
    ? await devices.getUserMedia({ video: { width: 1280, height: 720 }, audio: true })
    : await devices.getDisplayMedia({ video: { frameRate: 30 }, audio: true });
  return { stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
}

// Chromium makes streams of their own of VP9 and AV1 only when it is told that each has one layer.
function threeSizes(rate, codec) {
  const mode = /VP9|AV1/.test(codec) ? { scalabilityMode: 'L1T1' } : {};
  return [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: rate / 10, ...mode },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: rate / 3, ...mode },
    { rid: 'f', maxBitrate: rate, ...mode },
  ];
}

function addTracks(pc) {
  const rate = Number(byId('rate').value);
  const codec = byId('codec').value;
  for (const track of source.stream.getTracks()) {
    const encodings = track.kind === 'audio' ? [{}] : byId('simulcast').checked ? threeSizes(rate, codec) : [{ maxBitrate: rate }];
    const transceiver = pc.addTransceiver(track, { direction: 'sendonly', streams: [source.stream], sendEncodings: encodings });
    if (track.kind === 'video' && codec) {
      const all = RTCRtpSender.getCapabilities('video').codecs;
      transceiver.setCodecPreferences(all.filter((one) => one.mimeType === `video/${codec}` || /rtx/i.test(one.mimeType)));
    }
    if (track.kind === 'video' && byId('source').value !== 'camera') { // to be read: rather few frames than small ones
      const { sender } = transceiver;
      sender.setParameters({ ...sender.getParameters(), degradationPreference: 'maintain-resolution' }).catch(() => {});
    }
  }
}

function setState(text, live) {
  byId('state').textContent = text;
  byId('state').classList.toggle('live', Boolean(live));
}

async function connect() {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const endpoint = new URL(`/whip/${encodeURIComponent(byId('stream').value)}`, location);
  const mine = keeper.session = new Session(pc, endpoint, byId('token').value, (why) => keeper.lost(mine, why));
  const figures = new Figures(pc, 'outbound-rtp');
  addTracks(pc);
  setState('connecting');
  pc.onconnectionstatechange = () => {
    if (keeper.session !== mine) return;
    if (pc.connectionState === 'connected') {
      setState('live', true);
      byId('error').textContent = '';
    }
    if (pc.connectionState === 'disconnected') mine.restart().catch(() => mine.lose());
  };
  await mine.open();
  clearInterval(timer);
  timer = setInterval(async () => {
    const now = await figures.read();
    plot.add(now.rate);
    show(byId('figures'), {
      'bit rate': bits(now.rate),
      'picture': now.video?.frameWidth ? `${now.video.frameWidth} × ${now.video.frameHeight}` : '–',
      'frames / s': now.video?.framesPerSecond ?? '–',
      'codec': now.codec ?? '–',
      'round trip': now.roundTrip === null ? '–' : `${Math.round(now.roundTrip * 1000)} ms`,
      'limited by': now.video?.qualityLimitationReason ?? '–',
      'lost': now.remote?.packetsLost ?? 0,
      'sent again': now.video?.retransmittedPacketsSent ?? 0,
      'key frames asked': (now.video?.pliCount ?? 0) + (now.video?.firCount ?? 0),
    });
  }, 500);
}

function stopped() {
  clearInterval(timer);
  source?.stop();
  source = null;
  byId('preview').srcObject = null;
  setState('off');
  byId('go').textContent = 'publish';
  byId('go').classList.remove('stop');
}

const keeper = new Keeper({ connect, setState, setError: (text) => { byId('error').textContent = text; }, stopped }, 0.5);

byId('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (keeper.wanted) {
    keeper.stop();
    return;
  }
  byId('error').textContent = '';
  try {
    source = await capture();
  } catch (error) {
    byId('error').textContent = error.message;
    return;
  }
  byId('preview').srcObject = source.stream;
  byId('go').textContent = 'stop';
  byId('go').classList.add('stop');
  keeper.start();
});

addEventListener('pagehide', () => keeper.session?.close());
