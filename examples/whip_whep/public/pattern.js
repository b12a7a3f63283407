// A test pattern: a mill wheel that turns once in four seconds, colour bars, a clock to the millisecond and a tone that ticks
// with it. It moves, so that an encoder has work, and the clock of two pages tells the latency.

export function testPattern(width, height) {
  const canvas = document.createElement('canvas');
  canvas.className = 'pattern';
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const bars = ['#c0c0c0', '#c0c000', '#00c0c0', '#00c000', '#c000c0', '#c00000', '#0000c0'];

  function wheel(angle) {
    context.save();
    context.translate(width * 0.26, height * 0.4);
    context.rotate(angle);
    context.strokeStyle = '#e9d8b4';
    context.lineWidth = height / 70;
    context.beginPath();
    context.arc(0, 0, height * 0.24, 0, 2 * Math.PI);
    for (let i = 0; i < 12; i++) {
      const [c, s] = [Math.cos(i * Math.PI / 6), Math.sin(i * Math.PI / 6)];
      context.moveTo(0, 0);
      context.lineTo(c * height * 0.3, s * height * 0.3);
    }
    context.stroke();
    context.restore();
  }

  function draw() {
    const now = Date.now();
    context.fillStyle = '#182026';
    context.fillRect(0, 0, width, height);
    bars.forEach((colour, i) => {
      context.fillStyle = colour;
      context.fillRect(i * width / 7, height * 0.78, width / 7 + 1, height * 0.22);
    });
    wheel(now / 4000 * 2 * Math.PI);
    context.fillStyle = '#e6e2d8';
    context.font = `600 ${height / 9}px ui-monospace, monospace`;
    context.fillText(new Date(now).toISOString().slice(11, 23), width * 0.5, height * 0.56);
    context.font = `${height / 22}px system-ui`;
    context.fillText('leat test pattern', width * 0.5, height * 0.67);
  }

  draw();
  const timer = setInterval(draw, 1000 / 30);
  const stream = canvas.captureStream(30);
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  const out = audio.createMediaStreamDestination();
  tone.frequency.value = 440;
  gain.gain.value = 0.02;
  tone.connect(gain).connect(out);
  tone.start();
  audio.resume().catch(() => {});
  stream.addTrack(out.stream.getAudioTracks()[0]);
  return { stream, stop: () => { clearInterval(timer); tone.stop(); audio.close(); } };
}
