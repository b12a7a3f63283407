// Each event turns the wheel by one paddle. EventSource connects again by itself.
const wheel = document.getElementById("wheel");
let paddles = '<circle r="36"/><circle r="12"/>';
for (let i = 0; i < 12; i++) {
  paddles += `<path d="M0 -12 V-44 h7" transform="rotate(${i * 30})"/>`;
}
wheel.innerHTML = paddles;
const source = new EventSource("events");
source.onmessage = (event) => {
  const now = JSON.parse(event.data);
  document.body.classList.remove("lost");
  wheel.style.transform = `rotate(${now.tick * 30}deg)`;
  for (const id of ["tick", "watching", "requests"]) {
    document.getElementById(id).textContent = now[id].toLocaleString();
  }
};
source.onerror = () => document.body.classList.add("lost");
