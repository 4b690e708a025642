"""The HTML, CSS and JavaScript of the viewer page."""

#: The page; `{plotly}`, `{scene}` and `{script}` stand in script elements of their own.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p id="caption">{caption}</p>
<noscript>This page draws with JavaScript, which is switched off.</noscript>
<div id="plot"></div>
<div id="controls" hidden>
<button id="play" type="button">Play</button>
<input id="frame" type="range" min="0" value="0" step="1" aria-label="Frame">
<output id="time" for="frame"></output>
</div>
<script>{plotly}</script>
<script type="application/json" id="scene">{scene}</script>
<script>{script}</script>
</body>
</html>
"""

STYLE = """
body { margin: 0; height: 100vh; display: flex; flex-direction: column; background: #fff;
  color: #1f2937; font: 14px/1.4 system-ui, sans-serif; }
h1 { margin: 14px 20px 0; font-size: 20px; font-weight: 600; overflow-wrap: anywhere; }
#caption { margin: 2px 20px 6px; color: #6b7280; overflow-wrap: anywhere; }
#plot { flex: 1; min-height: 240px; overflow: hidden; }
#controls:not([hidden]) { display: flex; gap: 14px; align-items: center; padding: 8px 20px 14px; }
#play { width: 72px; padding: 5px 0; font: inherit; border: 1px solid #c3c7ce; border-radius: 6px;
  background: #f4f5f7; cursor: pointer; }
#frame { flex: 1; accent-color: #4b5563; }
#time { min-width: 170px; font-variant-numeric: tabular-nums; color: #374151; }
"""

#: Draws the scene, plays it and moves to the frame that the slider says.
SCRIPT = """
"use strict";
const scene = JSON.parse(document.getElementById("scene").textContent);
const [plot, controls, play, slider, time] =
  ["plot", "controls", "play", "frame", "time"].map(id => document.getElementById(id));
const axes = ["x", "y", "z"].slice(0, scene.axes.length);
const last = scene.frames.length - 1;

// One frame of all traces: per layer the bones, broken by nulls, then the joints that are there.
function coordinates(frame) {
  const update = { text: [], "marker.color": [] };
  for (const axis of axes) update[axis] = [];
  for (const layer of scene.layers) {
    const n = layer.joints.length, dims = axes.length, pose = layer.frames[frame];
    const bones = [], joints = [], names = [], fills = [];
    for (let person = 0; person < layer.people; person++) {
      const joint = j => pose.slice((person * n + j) * dims, (person * n + j + 1) * dims);
      for (let j = 0; j < n; j++) {
        if (joint(j)[0] === null) continue;
        joints.push(joint(j));
        fills.push(layer.fills[j]);
        names.push(layer.joints[j] + (layer.people > 1 ? ` (person ${person + 1})` : ""));
      }
      for (const [a, b] of layer.edges) {
        if (joint(a)[0] === null || joint(b)[0] === null) continue;
        bones.push(joint(a), joint(b), [null, null, null]);
      }
    }
    axes.forEach((axis, i) =>
      update[axis].push(...[bones, joints].map(points => points.map(p => p[scene.axes[i]]))));
    update.text.push([], names);
    update["marker.color"].push(null, fills);
  }
  return update;
}

let wanted = 0, drawing = false;
// Draws the wanted frame; frames that are asked for while one is being drawn are skipped.
async function draw() {
  if (drawing) return;
  drawing = true;
  for (let drawn = -1; drawn !== wanted;) {
    drawn = wanted;
    // Left to itself, plotly forgets the latest turn of the mouse wheel.
    const camera = plot._fullLayout.scene?._scene?.getCamera?.();
    await Plotly.update(plot, coordinates(drawn), camera ? { "scene.camera": camera } : {});
  }
  drawing = false;
}
function show(frame) {
  wanted = frame;
  slider.value = frame;
  const given = scene.frames[frame];
  time.textContent = `frame ${given} / ${scene.n_frames_given - 1} \\u00b7 ` +
    `${(given / scene.fps).toFixed(2)} s`;
  return draw();
}

// Playing waits while the camera is moved: for half a second after each frame plotly ignores that.
let heldUntil = 0;
plot.addEventListener("pointerdown", () => { heldUntil = Infinity; }, true);
plot.addEventListener("wheel", () => { heldUntil = performance.now() + 1000; }, true);
for (const name of ["pointerup", "pointercancel"])
  window.addEventListener(name, () => { heldUntil = 0; }, true);

let timer = null;
function pause() {
  cancelAnimationFrame(timer);
  timer = null;
  play.textContent = "Play";
}
function start() {
  if (wanted === last) show(0);
  play.textContent = "Pause";
  let began = null;
  const tick = now => {
    if (began === null || now < heldUntil) began = now - 1000 * scene.frames[wanted] / scene.fps;
    // Played in real time: what the browser is too slow for is skipped.
    const due = Math.floor((now - began) * scene.fps / 1000 + 1e-6);
    const next = scene.frames.findIndex(given => given > due);
    const frame = next < 0 ? last : next - 1;
    if (frame !== wanted) show(frame);
    if (frame === last) pause(); else timer = requestAnimationFrame(tick);
  };
  timer = requestAnimationFrame(tick);
}

slider.max = last;
slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
play.addEventListener("click", () => timer === null ? start() : pause());
controls.hidden = last === 0;
Plotly.newPlot(plot, scene.traces, scene.layout, scene.config)
  .then(() => show(0));
"""
