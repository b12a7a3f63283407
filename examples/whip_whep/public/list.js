// The public streams, looked at every second.
const list = document.getElementById('streams');
const none = document.getElementById('none');
const error = document.getElementById('error');

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function row(stream) {
  const made = document.createElement('li');
  const link = element('a', '', 'watch');
  link.href = `watch.html?stream=${encodeURIComponent(stream.name)}`;
  const picture = stream.height ? `${stream.width} × ${stream.height}` : '';
  made.append(
    element('span', stream.live ? 'dot live' : 'dot', ''),
    element('span', 'name', stream.name),
    element('span', 'soft', stream.live ? [stream.video, stream.audio, picture].filter(Boolean).join(', ') : 'waits for a publisher'),
    element('span', 'soft', `${stream.viewers} watching`),
    link);
  return made;
}

let shown = ''; // what is the same is left alone, so that it can be clicked at

async function look() {
  try {
    const response = await fetch('/streams');
    const text = await response.text();
    error.textContent = '';
    if (text === shown) return;
    const streams = JSON.parse(text);
    shown = text;
    list.replaceChildren(...streams.map(row));
    none.hidden = streams.length > 0;
  } catch {
    error.textContent = 'The server does not answer.';
  }
}

look();
setInterval(look, 1000);
