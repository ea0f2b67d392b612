// What a reader does with the page of `neuromfa report`, in Chromium. Called by tests/browser.rs:
//   node page.mjs CHROMIUM CASES.json
// Each case has a name, a page and what is expected of it; SCREENSHOTS=DIR keeps a picture of each.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Browser } from './browser.mjs';

const [program, list] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(list, 'utf8'));
const browser = await Browser.start(program);
const pause = ms => new Promise(done => setTimeout(done, ms));

// Where a chart is on the screen, and where its panels begin and end.
const chart = `(() => {
  const picture = document.querySelector('.chart svg'), box = picture.getBoundingClientRect();
  return { left: box.left, top: box.top, width: box.width, height: box.height };
})()`;
const labels = `[...document.querySelectorAll('.chart')[0].querySelectorAll('svg.fig:not(.key) text')].map(t => t.textContent)`;
const readout = `[...document.querySelectorAll('.chart')[0].querySelectorAll('.readout tr')].map(row =>
  [...row.cells].map(cell => cell.textContent))`;
const number = text => Number(text.replace('\u2212', '-'));

async function quiet(name) {
  assert.deepEqual(browser.errors, [], `${name}: nothing in the console`);
  assert.ok(browser.requests.every(url => /^(file|data|blob):/.test(url)), `${name}: ${browser.requests}`);
}

async function fits(name, width) {
  const wide = await browser.run('document.documentElement.scrollWidth');
  assert.ok(wide <= width, `${name}: ${wide} wide in a window of ${width}`);
}

const checks = {
  // Hover, pin, keys, zoom, boxes, axes.
  async reader({ name, url, values }) {
    await browser.open(url);
    await browser.run(`document.querySelector('.chart').scrollIntoView()`);
    const at = await browser.run(chart);
    const middle = at.top + at.height * 0.2;
    await browser.mouse('mouseMoved', at.left + at.width * 0.5, middle);
    let rows = await browser.run(readout);
    assert.ok(rows.length >= 3, `${name}: ${JSON.stringify(rows)}`);
    // Each value is the one of the table at the step that is shown.
    for (const [column, value, , place] of rows) {
      const step = place.match(/step (\d+)/)[1];
      const expected = values[column]?.[step];
      if (expected !== undefined) assert.ok(Math.abs(number(value) - expected) <= 1e-8 * Math.abs(expected), `${name}: ${column} at ${step}`);
    }
    assert.ok(rows.some(([column]) => values[column]), `${name}: a column of the table is shown`);
    await browser.click(at.left + at.width * 0.5, middle);
    const pinned = await browser.run(readout);
    await browser.mouse('mouseMoved', at.left + at.width * 0.8, middle);
    assert.deepEqual(await browser.run(readout), pinned, `${name}: a click keeps the values`);
    await browser.key('Escape');
    assert.equal((await browser.run(readout)).length, 0, `${name}: Escape lets them go`);
    await browser.key('ArrowRight');
    await browser.key('ArrowRight');
    const second = await browser.run(readout);
    await browser.key('ArrowLeft');
    const first = await browser.run(readout);
    assert.ok(number(first[0][3].match(/\d+/)[0]) < number(second[0][3].match(/\d+/)[0]), `${name}: the arrows move`);
    // The other charts have the cursor at the same step.
    const cursors = await browser.run(`[...document.querySelectorAll('.chart')].filter(c => c.offsetParent)
      .map(c => c.querySelectorAll('svg > g:last-of-type path.thin').length > 0)`);
    assert.ok(cursors.length > 1 && cursors.every(Boolean), `${name}: ${cursors}`);
    const before = await browser.run(labels);
    await browser.mouse('mousePressed', at.left + at.width * 0.3, middle);
    await browser.mouse('mouseMoved', at.left + at.width * 0.5, middle);
    await browser.mouse('mouseReleased', at.left + at.width * 0.5, middle);
    assert.notDeepEqual(await browser.run(labels), before, `${name}: a drag zooms`);
    await browser.key('0');
    await browser.key('Escape');
    assert.deepEqual(await browser.run(labels), before, `${name}: 0 shows all`);
    // Series off and on, log axes, time, smoothing.
    const lines = `document.querySelectorAll('.chart')[0].querySelectorAll('path.line:not(.key path)').length`;
    const all = await browser.run(lines);
    await browser.run(`document.querySelector('.chart .series input').click()`);
    assert.ok(await browser.run(lines) < all, `${name}: a series is off`);
    await browser.run(`document.querySelector('.chart .series input').click()`);
    assert.equal(await browser.run(lines), all);
    const box = text => `[...document.querySelectorAll('.controls label, .chart:first-of-type .tools label')]
      .find(l => l.textContent.includes('${text}')).querySelector('input')`;
    for (const text of ['by time', 'log x', 'log a<b loss']) {
      await browser.run(`${box(text)}.click()`);
      assert.notDeepEqual(await browser.run(labels), before, `${name}: ${text}`);
      await browser.run(`${box(text)}.click()`);
      assert.deepEqual(await browser.run(labels), before, `${name}: ${text} and back`);
    }
    await browser.run(`(s => { s.value = 0.9; s.dispatchEvent(new Event('input')); })(document.querySelector('input[type=range]'))`);
    assert.ok(await browser.run(`document.querySelectorAll('.chart path.behind').length`) > 0, `${name}: raw lines stay behind`);
    await browser.run(`(s => { s.value = 0; s.dispatchEvent(new Event('input')); })(document.querySelector('input[type=range]'))`);
    // What is saved is what is shown.
    const saved = await browser.run(`new Promise(done => {
      URL.createObjectURL = blob => { blob.text().then(done); return 'blob:none'; };
      HTMLAnchorElement.prototype.click = () => {};
      [...document.querySelectorAll('.chart .tools button')].find(b => b.textContent === 'CSV').click();
    })`);
    const [head, ...kept] = saved.trim().split('\n').map(line => line.split(','));
    assert.deepEqual(head, ['panel', 'series', 'step', 'seconds', 'value', 'error']);
    const excess = kept.filter(row => row.includes('width_excess'));
    assert.equal(excess.length, Object.keys(values.width_excess).length, `${name}: all rows are saved`);
    const type = await browser.run(`new Promise(done => {
      URL.createObjectURL = blob => { done(blob.type + ' ' + (blob.size > 5000)); return 'blob:none'; };
      [...document.querySelectorAll('.chart .tools button')].find(b => b.textContent === 'PNG').click();
    })`);
    assert.equal(type, 'image/png true');
    // A map says what a cell holds.
    const cell = await browser.run(`(() => { const p = document.querySelector('.map svg'); p.scrollIntoView();
      const b = p.getBoundingClientRect(); return [b.left + b.width / 2, b.top + b.height * 0.4]; })()`);
    await browser.mouse('mouseMoved', ...cell);
    assert.match(await browser.run(`document.querySelector('.map .readout').textContent`), /, step \d+: width_excess/);
    // A link opens the part that it leads to.
    await browser.run(`location.hash = 'boxes'`);
    await pause(50);
    assert.equal(await browser.run(`document.getElementById('boxes').closest('details').open`), true);
    await quiet(name);
  },
  // It opens without an error, fits the window in light and dark, and is soon there.
  async opens({ name, url, charts, milliseconds }) {
    for (const [width, dark] of [[1400, false], [390, false], [390, true]]) {
      await browser.open(url, { width, dark });
      await quiet(name);
      await fits(name, width);
    }
    const drawn = await browser.run(`[...document.querySelectorAll('.chart')].filter(c => c.querySelector('.tools')).length`);
    assert.ok(drawn >= charts, `${name}: ${drawn} charts`);
    assert.equal(await browser.run(`window.harmed`), undefined, `${name}: a name is text`);
    const took = await browser.open(url);
    console.log(`${name}: loaded and drawn in ${took.toFixed(0)} ms`);
    if (process.env.SCREENSHOTS) {
      writeFileSync(join(process.env.SCREENSHOTS, `${name}.png`), await browser.picture());
      await browser.open(url, { width: 390, dark: true });
      writeFileSync(join(process.env.SCREENSHOTS, `${name}-phone-dark.png`), await browser.picture());
    }
  },
  // Boxes choose runs, headings sort.
  async runs({ name, url, count }) {
    await browser.open(url);
    const paths = `document.querySelector('.chart').querySelectorAll('path.line:not(.key path)').length`;
    const all = await browser.run(paths);
    await browser.run(`document.querySelector('table.runs input').click()`);
    assert.ok(await browser.run(paths) < all, `${name}: a run is off`);
    const column = k => `[...document.querySelectorAll('table.runs tbody tr')].map(row => row.cells[${k}].textContent)`;
    const names = await browser.run(column(1));
    assert.equal(names.length, count);
    await browser.run(`document.querySelectorAll('table.runs thead button')[0].click()`);
    const up = await browser.run(column(1));
    await browser.run(`document.querySelectorAll('table.runs thead button')[0].click()`);
    assert.deepEqual(await browser.run(column(1)), [...up].reverse(), `${name}: a heading sorts both ways`);
    const looks = await browser.run(`[...document.querySelectorAll('table.runs .key path')].map(p =>
      getComputedStyle(p).stroke + getComputedStyle(p).strokeDasharray)`);
    assert.equal(new Set(looks).size, count, `${name}: runs look different`);
    await quiet(name);
  },
  // Few pages of paper, and no closed parts on them.
  async prints({ name, url, pages }) {
    await browser.open(url);
    const count = await browser.pages();
    console.log(`${name}: ${count} pages of A4`);
    assert.ok(count <= pages, `${name}: ${count} pages`);
  },
};

let failed = 0;
for (const one of cases) {
  one.url = pathToFileURL(one.page).href;
  for (const check of one.checks) {
    try {
      await checks[check](one);
    } catch (error) {
      failed += 1;
      console.error(`${one.name}, ${check}: ${error.stack}`);
    }
  }
}
await browser.stop();
process.exit(failed ? 1 : 0);
