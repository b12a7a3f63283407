// Figures of a peer connection, per second, as the pages show them.

export const bits = (rate) => rate >= 1e6 ? `${(rate / 1e6).toFixed(2)} Mb/s` : `${Math.round(rate / 1e3)} kb/s`;

// Reads getStats of one direction ('inbound-rtp' or 'outbound-rtp') and remembers the last reading for rates.
export class Figures {
  constructor(pc, type) {
    this.pc = pc;
    this.type = type;
    this.last = null;
  }

  async read() {
    const report = await this.pc.getStats();
    const now = { at: performance.now(), bytes: 0, video: null, audio: null, roundTrip: null, remote: null, layers: 0 };
    report.forEach((entry) => {
      if (entry.type === this.type) {
        now.bytes += entry.bytesReceived ?? entry.bytesSent ?? 0;
        if (entry.kind === 'audio') now.audio = entry;
        // Of simulcast, what is shown is the largest.
        if (entry.kind === 'video') {
          now.layers += entry.active === false ? 0 : 1;
          if (!now.video || (entry.frameHeight ?? 0) > (now.video.frameHeight ?? 0)) now.video = entry;
        }
      } else if (entry.type === 'candidate-pair' && entry.nominated && entry.currentRoundTripTime !== undefined) {
        now.roundTrip = entry.currentRoundTripTime;
      } else if (entry.type === 'remote-inbound-rtp' && entry.kind === 'video') {
        now.remote = entry;
      }
    });
    now.codec = now.video?.codecId ? report.get(now.video.codecId)?.mimeType.split('/')[1] : undefined;
    const before = this.last ?? now;
    const seconds = Math.max((now.at - before.at) / 1000, 0.001);
    now.rate = Math.max(0, (now.bytes - before.bytes) * 8 / seconds);
    this.last = now;
    return now;
  }
}

// A plot of the last minute.
export class Plot {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = [];
  }

  add(value) {
    this.points.push(value);
    if (this.points.length > 120) this.points.shift();
    const { canvas, points } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.width = canvas.clientWidth * scale;
    const height = canvas.height = canvas.clientHeight * scale;
    const context = canvas.getContext('2d');
    const top = Math.max(1, ...points) * 1.15;
    const x = (i) => width - (points.length - 1 - i) * width / 119;
    const y = (v) => height - v / top * height;
    const style = getComputedStyle(document.documentElement);
    context.strokeStyle = context.fillStyle = style.getPropertyValue('--water');
    context.lineWidth = 2 * scale;
    context.beginPath();
    points.forEach((v, i) => context.lineTo(x(i), y(v)));
    context.stroke();
    context.lineTo(width, height);
    context.lineTo(x(0), height);
    context.globalAlpha = 0.15;
    context.fill();
    context.globalAlpha = 1;
  }
}

export function show(list, figures) {
  list.replaceChildren(...Object.entries(figures).map(([name, value]) => {
    const box = document.createElement('div');
    const dt = box.appendChild(document.createElement('dt'));
    const dd = box.appendChild(document.createElement('dd'));
    dt.textContent = name;
    dd.textContent = value;
    return box;
  }));
}
