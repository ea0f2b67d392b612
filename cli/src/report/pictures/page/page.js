// Makes the page's pictures over steps interactive. Each holds its numbers as JSON; without this
// script they stay as they were drawn. No library, no request.
'use strict';
(() => {
  const NS = 'http://www.w3.org/2000/svg';
  const WIDE = 340, FONT = 9, ABOVE = 26, BELOW = 30, GAP = 24;
  // What all charts share: the horizontal axis, the smoothing, the window, the cursor.
  const view = { time: false, log: null, smooth: 0, window: null, cursor: null, pinned: false };
  const hiddenRuns = new Set();
  const charts = [];

  const el = (name, attributes, parent, text) => {
    const made = document.createElement(name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const plain = markup => markup.replace(/<[^>]*>/g, '').replace(/&\w+;/g, '&');
  const svg = (name, attributes, parent) => {
    const made = document.createElementNS(NS, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (parent) parent.append(made);
    return made;
  };

  // ---- numbers -------------------------------------------------------------------------------
  const minus = text => text.replace(/-/g, '\u2212');
  const short = value => {
    const size = Math.abs(value);
    if (value === 0) return '0';
    if (size >= 1e6 || size < 1e-4) return minus(value.toExponential(1).replace('e+', 'e'));
    return minus(String(+value.toPrecision(4)));
  };
  const seconds = value => {
    if (value < 120) return short(value) + ' s';
    if (value < 7200) return short(value / 60) + ' min';
    return short(value / 3600) + ' h';
  };
  // Where a number lies, before it is scaled.
  const signed = f => v => Math.sign(v) * f(Math.abs(v));
  const place = { linear: v => v, log: Math.log, steps: signed(Math.log1p) };
  const back = { linear: v => v, log: Math.exp, steps: signed(Math.expm1) };
  const ticks = ({ kind, low, high }, wanted) => {
    const f = place[kind];
    const apart = (a, b) => (f(b) - f(a)) * Math.max(1, wanted) >= 0.5 * (f(high) - f(low));
    // As many as do not meet, from the first on.
    const spread = values =>
      values.reduce((kept, v) => kept.length && !apart(kept.at(-1), v) ? kept : [...kept, v], []);
    if (kind !== 'linear') {
      const first = Math.floor(Math.log10(Math.max(low, kind === 'steps' ? 1 : 1e-300)));
      const last = Math.ceil(Math.log10(high));
      const all = (factors, stride) => {
        const at = [];
        for (let k = first; k <= last; k++)
          if (k % stride === 0) at.push(...factors.map(f => f * 10 ** k));
        return at.filter(v => v >= low * 0.999 && v <= high * 1.001);
      };
      const zero = kind === 'steps' && low <= 0 ? [0] : [];
      const sets = [all([1, 2, 5], 1)];
      for (let stride = 1; stride <= last - first; stride++) sets.push(all([1], stride));
      sets.push(spread(sets[0]));
      const even = sets.find(at => at.length > 1 && at.every((v, k) => !k || apart(at[k - 1], v)));
      if (even) return [...zero, ...even];
    }
    const even = wanted => {
      const raw = (high - low) / Math.max(1, wanted);
      const power = 10 ** Math.floor(Math.log10(raw));
      const step = power * [1, 2, 5, 10].find(f => f * power >= raw * 0.999999);
      const at = [];
      for (let k = Math.ceil(low / step - 1e-6); k <= Math.floor(high / step + 1e-6); k++)
        at.push(k * step);
      return at;
    };
    let at = even(wanted);
    for (let more = 2; at.length < 2 && more < 9; more *= 2) at = even(more * Math.max(1, wanted));
    return spread(at);
  };

  // Exponential smoothing without a bias at the beginning; an absent value stays absent.
  const smoothed = (values, weight) => {
    let sum = 0, norm = 0;
    return values.map(v => {
      if (v === null) return null;
      sum = weight * sum + (1 - weight) * v;
      norm = weight * norm + (1 - weight);
      return sum / norm;
    });
  };

  // ---- one chart -----------------------------------------------------------------------------
  class Chart {
    constructor(box, data) {
      this.data = data;
      this.box = box;
      this.off = new Set();
      this.logY = data.levels.map(level => level.log);
      this.picture = box.querySelector('svg');
      this.picture.setAttribute('role', 'application');
      this.picture.setAttribute('tabindex', '0');
      this.picture.setAttribute('aria-label', this.data.title +
        '. Left and right move the cursor, Enter keeps the values, plus and minus zoom, 0 shows all.');
      this.tools();
      this.readout = el('div', { class: 'readout', 'aria-live': 'polite' }, box);
      this.listen();
      charts.push(this);
    }

    tools() {
      const bar = el('div', { class: 'tools' }, this.box);
      const names = new Map();
      for (const level of this.data.levels)
        for (const line of level.lines)
          if (!names.has(line.series)) names.set(line.series, line);
      if (names.size > 1)
        for (const [series, line] of names) {
          if (line.run !== undefined) continue; // the table of runs has its box
          const label = el('label', { class: 'series' }, bar);
          const box = el('input', { type: 'checkbox', checked: '' }, label);
          const key = svg('svg', { class: 'fig key', viewBox: '0 0 16 6' }, label);
          svg('path', { class: `line ${line.dash} s-${line.c}`, d: 'M0 3L16 3' }, key);
          label.append(series);
          box.addEventListener('change', () => {
            box.checked ? this.off.delete(series) : this.off.add(series);
            this.draw();
          });
        }
      this.data.levels.forEach((level, k) => {
        const values = level.lines.flatMap(line => line.y).filter(v => v !== null);
        if (!values.length || values.some(v => v <= 0)) return;
        const label = el('label', {}, bar);
        const box = el('input', { type: 'checkbox' }, label);
        box.checked = this.logY[k];
        label.append(`log ${level.name}`);
        box.addEventListener('change', () => { this.logY[k] = box.checked; this.draw(); });
      });
      const button = (text, what, run) => {
        const made = el('button', { type: 'button', title: what }, bar, text);
        made.addEventListener('click', run);
      };
      button('CSV', 'Save the numbers that are shown', () => this.csv());
      button('PNG', 'Save the picture that is shown', () => this.png());
    }

    // Whether it is drawn by time: all of its lines must have times.
    timed() {
      return view.time && this.data.xs.every(({ t }) => t);
    }

    // The horizontal coordinates of a line.
    xs(line) {
      const { x, t } = this.data.xs[line.k];
      return this.timed() ? t : x;
    }

    shown() {
      return this.data.levels.map((level, k) => ({
        level, k,
        lines: level.lines.filter(line => !this.off.has(line.series) &&
          !(line.run !== undefined && hiddenRuns.has(line.run))),
      })).filter(({ lines }) => lines.length);
    }

    // From where to where its lines reach.
    ends(levels = this.shown()) {
      let low = Infinity, high = -Infinity;
      for (const { lines } of levels)
        for (const line of lines)
          for (const x of this.xs(line)) { if (x < low) low = x; if (x > high) high = x; }
      return [low, high > low ? high : low + 1];
    }

    horizontal(levels) {
      const all = levels.flatMap(({ lines }) => lines.flatMap(line => this.xs(line)));
      let [low, high] = this.ends(levels);
      const early = all.filter(x => x - low < 0.05 * (high - low)).length;
      const log = view.log ?? (all.length > 4 && 2 * early > all.length);
      if (view.window) {
        low = Math.max(low, view.window[0]);
        high = Math.min(high, view.window[1]);
        if (!(high > low)) [low, high] = view.window;
      }
      return { low, high, kind: log ? 'steps' : 'linear' };
    }

    vertical(lines, k, x) {
      let low = Infinity, high = -Infinity;
      const take = v => { if (v < low) low = v; if (v > high) high = v; };
      const log = this.logY[k];
      for (const line of lines) {
        const xs = this.xs(line), last = xs.length;
        for (let i = 0; i < last; i++) {
          const y = line.y[i];
          if (y === null || xs[i] < x.low || xs[i] > x.high) continue;
          take(y);
          const s = line.s ? line.s[i] : null;
          if (s !== null && !log) { take(y - s); take(y + s); }
        }
      }
      if (!log) this.data.levels[k].reach.forEach(take);
      if (low > high) return { low: 0, high: 1, kind: 'linear' };
      if (log && low > 0) {
        const margin = high > low ? (high / low) ** 0.04 : 1.1;
        return { low: low / margin, high: high * margin, kind: 'log' };
      }
      const margin = high > low ? 0.04 * (high - low) : 0.1 * Math.max(Math.abs(low), 1e-6);
      return { low: low - margin, high: high + margin, kind: 'linear' };
    }

    draw() {
      const levels = this.shown();
      const picture = this.picture;
      picture.textContent = '';
      if (!levels.length) {
        picture.setAttribute('viewBox', `0 0 ${WIDE} 30`);
        this.panels = [];
        return;
      }
      const x = this.horizontal(levels);
      // The names of more lines than this do not fit; the table of runs has their looks.
      const named = levels.every(({ lines }) => lines.length <= 6);
      const names = levels.flatMap(({ lines }) => lines.map(line => plain(line.label)));
      const right = 8 + (named ? Math.min(96, Math.max(...names.map(n => 5.6 * n.length))) : 0);
      const left = 36, wide = WIDE - left - right;
      this.x = { ...x, left, wide };
      const at = v => {
        const f = place[x.kind];
        return left + wide * (f(v) - f(x.low)) / (f(x.high) - f(x.low));
      };
      this.at = at;
      const clip = `clip-${charts.indexOf(this)}`;
      let top = 14;
      this.panels = [];
      for (const { level, k, lines } of levels) {
        const y = this.vertical(lines, k, x);
        const panel = { top: top + 20, height: level.h, level, lines, y };
        const f = place[y.kind];
        panel.at = v =>
          panel.top + panel.height * (1 - (f(v) - f(y.low)) / (f(y.high) - f(y.low)));
        this.panels.push(panel);
        const window = svg('clipPath', { id: `${clip}-${k}` }, picture);
        svg('rect', { x: left, y: panel.top - 2, width: wide, height: panel.height + 4 }, window);
        for (const v of ticks(y, level.h / 22)) {
          const yy = panel.at(v);
          svg('path', { class: v === 0 ? 'axis' : 'grid', d: `M${left} ${yy}L${left + wide} ${yy}` }, picture);
          svg('text', { class: 'faint', x: left - 4, y: yy + 3, 'text-anchor': 'end' }, picture)
            .textContent = short(v);
        }
        const title = svg('text', { x: left, y: panel.top - 6 }, picture);
        title.innerHTML = level.title;
        this.marks(panel, k === levels[0].k);
        const group = svg('g', { 'clip-path': `url(#${clip}-${k})` }, picture);
        for (const line of lines) this.line(group, panel, line);
        if (named) this.labels(panel, lines, left + wide);
        top += level.h + GAP;
      }
      const lowest = this.panels[this.panels.length - 1];
      const foot = lowest.top + lowest.height;
      svg('path', { class: 'axis', d: `M${left} ${foot}L${left + wide} ${foot}` }, picture);
      let free = -Infinity;
      for (const v of ticks(x, wide / 40)) {
        const text = this.timed() ? seconds(v) : short(v), half = 2.6 * text.length;
        svg('path', { class: 'axis', d: `M${at(v)} ${foot}L${at(v)} ${foot + 3}` }, picture);
        if (at(v) - half < free) continue;
        free = at(v) + half + 4;
        svg('text', { class: 'faint', x: at(v), y: foot + 12, 'text-anchor': 'middle' }, picture)
          .textContent = text;
      }
      svg('text', { x: left + wide / 2, y: foot + 24, 'text-anchor': 'middle' }, picture)
        .textContent = this.timed() ? 'time since the start of the run' : this.data.axis;
      this.height = foot + BELOW;
      picture.setAttribute('viewBox', `0 0 ${WIDE} ${this.height}`);
      this.overlay = svg('g', {}, picture);
      this.cursor();
    }

    // A step on the axis that is shown.
    ofStep(step) {
      if (!this.timed()) return step;
      for (const { x, t } of this.data.xs) {
        if (!t) continue;
        const k = x.findIndex(v => v >= step);
        if (k >= 0) return t[k];
      }
      return null;
    }

    marks(panel, first) {
      const line = (step, colour, text, anchor) => {
        const v = this.ofStep(step);
        if (v === null || v < this.x.low || v > this.x.high) return;
        const x = this.at(v);
        svg('path', { class: `thin dash s-${colour}`, d: `M${x} ${panel.top}L${x} ${panel.top + panel.height}` },
          this.picture);
        if (!first) return;
        const end = x > this.x.left + this.x.wide - 40;
        svg('text', { class: `t-${colour}`, x: x + (end ? -4 : 4), y: panel.top + 8, 'text-anchor': end ? 'end' : 'start' },
          this.picture).textContent = text;
      };
      if (this.data.onset !== null) line(this.data.onset, 'c3', 'onset');
      this.data.rolled_back.forEach((at, k) => line(at, 'faint', k ? '' : 'rolled back'));
      if (this.data.stopped !== null) line(this.data.stopped, 'faint', 'stop');
      if (!first) return;
      for (const [from, to, codes] of this.data.warned) {
        const v = this.ofStep(from);
        if (v === null || v < this.x.low || v > this.x.high) continue;
        const x = this.at(v), y = panel.top - 18;
        const mark = svg('path', { class: 'f-c5', d: `M${x - 3} ${y}L${x + 3} ${y}L${x} ${y + 5}Z` }, this.picture);
        svg('title', {}, mark).textContent =
          `${codes}, ${this.data.axis} ${from === to ? from : `${from} to ${to}`}`;
      }
    }

    line(group, panel, line) {
      const xs = this.xs(line), at = this.at;
      const raw = line.y, heavy = view.smooth > 0;
      const values = heavy ? smoothed(raw, view.smooth) : raw;
      if (line.s && !heavy) {
        let low = [], high = [];
        const close = () => {
          if (low.length > 1)
            svg('path', { class: `band f-${line.c}`, d: `M${low.concat(high.reverse()).join('L')}Z` }, group);
          low = []; high = [];
        };
        raw.forEach((y, i) => {
          const s = line.s[i];
          if (y === null || s === null) return close();
          // A logarithmic axis has no place for what is not positive.
          const least = panel.y.kind === 'log' ? Math.max(y - s, panel.y.low) : y - s;
          low.push(`${at(xs[i]).toFixed(2)} ${panel.at(least).toFixed(2)}`);
          high.push(`${at(xs[i]).toFixed(2)} ${panel.at(y + s).toFixed(2)}`);
        });
        close();
      }
      const path = (of, look) => {
        let d = '', alone = true;
        const there = of.filter(y => y !== null).length;
        of.forEach((y, i) => {
          if (y === null) { alone = true; return; }
          const point = `${at(xs[i]).toFixed(2)} ${panel.at(y).toFixed(2)}`;
          d += (alone ? 'M' : 'L') + point;
          const single = alone && (i + 1 >= of.length || of[i + 1] === null);
          if (there <= 12 || single)
            svg('circle', { class: `f-${line.c}`, cx: at(xs[i]), cy: panel.at(y), r: 1.8 }, group);
          alone = false;
        });
        if (d) svg('path', { class: `line ${line.dash} s-${line.c} ${look}`, d }, group);
      };
      if (heavy) path(raw, 'behind');
      path(values, '');
    }

    labels(panel, lines, right) {
      const ends = [];
      for (const line of lines) {
        if (!line.label) continue;
        const xs = this.xs(line);
        for (let i = line.y.length - 1; i >= 0; i--)
          if (line.y[i] !== null && xs[i] <= this.x.high) {
            ends.push({ line, y: Math.min(panel.top + panel.height, Math.max(panel.top, panel.at(line.y[i]))) });
            break;
          }
      }
      ends.sort((a, b) => a.y - b.y);
      const gap = FONT + 2;
      for (let k = 1; k < ends.length; k++) ends[k].y = Math.max(ends[k].y, ends[k - 1].y + gap);
      let limit = panel.top + panel.height + 4;
      for (let k = ends.length - 1; k >= 0; k--) { ends[k].y = Math.min(ends[k].y, limit); limit = ends[k].y - gap; }
      for (const { line, y } of ends)
        svg('text', { class: `t-${line.c}`, x: right + 6, y: y + 3 }, this.picture).innerHTML = line.label;
    }

    // The cursor and the values at it.
    cursor() {
      if (!this.overlay) return;
      this.overlay.textContent = '';
      if (view.cursor === null || !this.panels.length) {
        this.readout.textContent = '';
        return;
      }
      const at = this.at(view.cursor);
      if (!(at >= this.x.left - 1 && at <= this.x.left + this.x.wide + 1)) {
        this.readout.textContent = '';
        return;
      }
      const rows = [];
      for (const panel of this.panels) {
        svg('path', { class: 'thin s-faint', d: `M${at} ${panel.top}L${at} ${panel.top + panel.height}` }, this.overlay);
        for (const line of panel.lines) {
          const i = nearest(this.xs(line), view.cursor);
          if (i < 0 || line.y[i] === null) continue;
          svg('circle', { class: `f-${line.c}`, cx: this.at(this.xs(line)[i]), cy: panel.at(line.y[i]), r: 2.4 },
            this.overlay);
          rows.push({ line, i });
        }
      }
      this.said = rows;
      if (charts.active === this) this.say(rows);
      else this.readout.textContent = '';
    }

    say(rows) {
      const box = this.readout;
      box.textContent = '';
      if (!rows.length) return;
      const table = el('table', {}, box);
      for (const { line, i } of rows) {
        const row = el('tr', {}, table);
        const { x, t } = this.data.xs[line.k];
        el('th', { scope: 'row' }, row, line.name);
        el('td', { 'data-column': line.name }, row, minus(String(line.y[i])));
        const s = line.s ? line.s[i] : null;
        el('td', {}, row, s === null ? '' : '\u00b1 ' + short(s / line.times));
        el('td', { class: 'faint' }, row, `${this.data.axis} ${x[i]}` + (t ? `, ${seconds(t[i])}` : ''));
      }
      if (!view.pinned) { el('p', { class: 'note' }, box, 'Click or press Enter to keep these values.'); return; }
      const copy = el('button', { type: 'button' }, box, 'copy');
      copy.addEventListener('click', () => {
        const text = rows.map(({ line, i }) =>
          [line.name, this.data.xs[line.k].x[i], line.y[i], line.s ? line.s[i] / line.times : ''].join('\t')).join('\n');
        // Only pages from this machine, or over https, may write to the clipboard.
        const select = () => getSelection().selectAllChildren(table);
        if (!navigator.clipboard) return select();
        navigator.clipboard.writeText(text).then(() => { copy.textContent = 'copied'; }, select);
      });
      const close = el('button', { type: 'button' }, box, 'release');
      close.addEventListener('click', () => { view.pinned = false; move(null); });
    }

    // ---- mouse and keys ----------------------------------------------------------------------
    listen() {
      const picture = this.picture;
      let from = null, band = null;
      const value = event => {
        const box = picture.getBoundingClientRect();
        const x = (event.clientX - box.left) * WIDE / box.width;
        const f = place[this.x.kind];
        const share = Math.min(1, Math.max(0, (x - this.x.left) / this.x.wide));
        return back[this.x.kind](f(this.x.low) + share * (f(this.x.high) - f(this.x.low)));
      };
      picture.addEventListener('pointermove', event => {
        if (!this.panels.length) return;
        const now = value(event);
        if (from && from.pan) {
          const [low, high] = this.ends();
          const [a, b] = from.window, wide = b - a;
          const start = Math.min(high - wide, Math.max(low, a - (now - this.x.low - from.offset)));
          if (wide < high - low) zoom([start, start + wide]);
          return;
        }
        if (from) {
          band ||= svg('rect', { class: 'band f-c1', y: 14, height: this.height - 14 - BELOW }, this.picture);
          const [a, b] = [this.at(from.value), this.at(now)];
          band.setAttribute('x', Math.min(a, b));
          band.setAttribute('width', Math.abs(b - a));
          return;
        }
        charts.active = this;
        if (!view.pinned) move(this.snap(now));
      });
      picture.addEventListener('pointerleave', () => {
        if (!view.pinned && !from && document.activeElement !== picture) move(null);
      });
      picture.addEventListener('pointerdown', event => {
        if (event.button !== 0 || !this.panels.length) return;
        from = { value: value(event), x: event.clientX, pan: event.shiftKey };
        from.window = [this.x.low, this.x.high];
        from.offset = from.value - this.x.low;
        picture.setPointerCapture(event.pointerId);
      });
      const up = event => {
        if (!from) return;
        const far = Math.abs(event.clientX - from.x) > 6, start = from;
        from = null;
        if (band) { band.remove(); band = null; }
        if (start.pan) return;
        const now = value(event);
        if (far) return zoom([Math.min(start.value, now), Math.max(start.value, now)]);
        charts.active = this;
        view.pinned = !view.pinned;
        move(this.snap(now));
      };
      picture.addEventListener('pointerup', up);
      picture.addEventListener('pointercancel', () => { from = null; if (band) { band.remove(); band = null; } });
      picture.addEventListener('dblclick', () => zoom(null));
      picture.addEventListener('wheel', event => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        this.scale(value(event), event.deltaY > 0 ? 1.25 : 0.8);
      }, { passive: false });
      picture.addEventListener('focus', () => { charts.active = this; });
      picture.addEventListener('keydown', event => {
        const middle = view.cursor ?? (this.x.low + this.x.high) / 2;
        const keys = {
          ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1),
          '+': () => this.scale(middle, 0.5), '=': () => this.scale(middle, 0.5), '-': () => this.scale(middle, 2),
          0: () => zoom(null),
          Enter: () => { view.pinned = !view.pinned; move(view.cursor); },
          Escape: () => { view.pinned = false; move(null); },
        };
        if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        charts.active = this;
        keys[event.key]();
      });
    }

    // The nearest point of any line.
    snap(value) {
      let best = null;
      for (const { lines } of this.panels)
        for (const line of lines) {
          const xs = this.xs(line), i = nearest(xs, value);
          if (i >= 0 && (best === null || Math.abs(xs[i] - value) < Math.abs(best - value))) best = xs[i];
        }
      return best;
    }

    step(by) {
      const points = [...new Set(this.panels.flatMap(({ lines }) => lines.flatMap(line =>
        this.xs(line).filter((x, i) => line.y[i] !== null && x >= this.x.low && x <= this.x.high))))];
      points.sort((a, b) => a - b);
      if (!points.length) return;
      const k = view.cursor === null ? (by > 0 ? 0 : points.length - 1)
        : Math.min(points.length - 1, Math.max(0, nearest(points, view.cursor) + by));
      move(points[k]);
    }

    scale(centre, by) {
      const { low, high } = this.x;
      zoom([centre - (centre - low) * by, centre + (high - centre) * by]);
    }

    // ---- files -------------------------------------------------------------------------------
    csv() {
      // A spreadsheet runs a cell that begins so.
      const plain = text => /^[=+\-@'\t\r]/.test(text) ? `'${text}` : text;
      const quoted = text => /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
      const cell = text => quoted(plain(text));
      const rows = [`panel,series,${cell(this.data.axis)},seconds,value,error`];
      for (const { level, lines } of this.panels)
        for (const line of lines) {
          const { x, t } = this.data.xs[line.k], xs = this.xs(line);
          line.y.forEach((y, i) => {
            if (y === null || xs[i] < this.x.low || xs[i] > this.x.high) return;
            const s = line.s && line.s[i] !== null ? line.s[i] / line.times : '';
            rows.push([cell(level.name), cell(line.name), x[i], t ? t[i] : '', y, s].join(','));
          });
        }
      save(new Blob([rows.join('\n') + '\n'], { type: 'text/csv' }), `${this.data.file}.csv`);
    }

    png() {
      const copy = this.picture.cloneNode(true);
      const scale = 4;
      copy.setAttribute('width', WIDE * scale);
      copy.setAttribute('height', this.height * scale);
      const style = svg('style', {});
      style.textContent = document.querySelector('style').textContent;
      copy.prepend(style);
      const image = new Image();
      image.onload = () => {
        const canvas = el('canvas', { width: WIDE * scale, height: Math.round(this.height * scale) });
        const context = canvas.getContext('2d');
        context.fillStyle = getComputedStyle(document.body).backgroundColor;
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.drawImage(image, 0, 0);
        canvas.toBlob(blob => save(blob, `${this.data.file}.png`));
      };
      image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(new XMLSerializer().serializeToString(copy));
    }
  }

  const save = (blob, name) => {
    const link = el('a', { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // The index of the nearest number, which need not ascend; -1 without any.
  const nearest = (xs, value) => {
    let best = -1;
    xs.forEach((x, i) => {
      if (best < 0 || Math.abs(x - value) < Math.abs(xs[best] - value)) best = i;
    });
    return best;
  };
  const move = value => { view.cursor = value; charts.forEach(chart => chart.cursor()); };
  const all = () => charts.forEach(chart => chart.draw());
  const zoom = window => { view.window = window; back0.disabled = !window; all(); };

  // ---- the page ------------------------------------------------------------------------------
  let back0 = { disabled: true };
  const controls = () => {
    const bar = el('div', { class: 'controls', role: 'toolbar', 'aria-label': 'All charts over steps' });
    const check = (text, run, checked) => {
      const label = el('label', {}, bar);
      const box = el('input', { type: 'checkbox' }, label);
      box.checked = checked;
      label.append(text);
      box.addEventListener('change', () => run(box.checked));
      return box;
    };
    if (charts.some(chart => chart.data.xs.some(({ t }) => t)))
      check('by time', on => { view.time = on; view.cursor = null; view.window = null; all(); }, false);
    check('log x', on => { view.log = on; all(); }, charts.some(chart =>
      chart.horizontal(chart.shown()).kind !== 'linear'));
    const label = el('label', {}, bar, 'smoothing ');
    const slider = el('input', { type: 'range', min: 0, max: 0.98, step: 0.02, value: 0 }, label);
    slider.addEventListener('input', () => { view.smooth = +slider.value; all(); });
    back0 = el('button', { type: 'button', disabled: '' }, bar, 'show all steps');
    back0.addEventListener('click', () => zoom(null));
    el('span', { class: 'note' }, bar, 'Drag to zoom, shift-drag to move, double-click to show all.');
    return bar;
  };

  // The table of runs: a click on a heading sorts, a box chooses what the overlay shows.
  const runs = table => {
    const body = table.tBodies[0];
    [...body.rows].forEach(row => {
      const box = row.querySelector('input');
      if (!box) return;
      box.hidden = false;
      box.addEventListener('change', () => {
        const run = +row.dataset.run;
        box.checked ? hiddenRuns.delete(run) : hiddenRuns.add(run);
        all();
      });
    });
    [...table.tHead.rows[0].cells].forEach((head, k) => {
      if (!head.textContent.trim()) return;
      const button = el('button', { type: 'button' }, null, head.textContent);
      head.textContent = '';
      head.append(button);
      button.addEventListener('click', () => {
        const up = head.getAttribute('aria-sort') !== 'ascending';
        for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
        const key = row => {
          const cell = row.cells[k], text = cell.dataset.value ?? cell.textContent;
          const number = text.trim() === '' ? NaN : Number(text.replaceAll('\u2212', '-'));
          return Number.isNaN(number) ? text : number;
        };
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [key(a), key(b)];
          const order = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === 'number' ? -1 : 1;
          return up ? order : -order;
        });
        body.append(...rows);
      });
    });
  };

  // Cells of a map: the value under the pointer.
  const heat = (box, { rows, columns, values, left, top, cell, row, what }) => {
    const picture = box.querySelector('svg');
    const readout = el('div', { class: 'readout' }, box);
    picture.addEventListener('pointermove', event => {
      const at = picture.getBoundingClientRect(), scale = WIDE / at.width;
      const k = Math.floor(((event.clientX - at.left) * scale - left) / cell);
      const n = Math.floor(((event.clientY - at.top) * scale - top) / row);
      const value = values[n] && k >= 0 && k < columns.length ? values[n][k] : undefined;
      readout.textContent = value === undefined ? ''
        : `${rows[n]}, step ${columns[k]}: ${what} ${value === null ? 'absent' : minus(String(value))}`;
    });
    picture.addEventListener('pointerleave', () => { readout.textContent = ''; });
  };

  document.querySelectorAll('.chart').forEach(box => {
    new Chart(box, JSON.parse(box.querySelector('script').textContent));
  });
  document.querySelectorAll('.map').forEach(box => heat(box, JSON.parse(box.querySelector('script').textContent)));
  document.querySelectorAll('table.runs').forEach(runs);
  if (charts.length) {
    (charts[0].box.closest('section') ?? charts[0].box.closest('figure')).before(controls());
    all();
  }
  // A closed part opens where a link leads into it.
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener('hashchange', open);
  open();
  addEventListener('beforeprint', () => move(null));
})();
