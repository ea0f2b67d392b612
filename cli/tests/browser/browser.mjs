// Drives Chromium over its debugging pipe: one page at a time, nothing but Node.js.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Browser {
  static async start(program) {
    const profile = mkdtempSync(join(tmpdir(), 'neuromfa-browser-'));
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync',
      '--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe',
      '--disable-dev-shm-usage', `--user-data-dir=${profile}`, 'about:blank'];
    const child = spawn(program, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    const browser = new Browser(child, profile);
    const { targetInfos } = await browser.send('Target.getTargets');
    const { targetId } = targetInfos.find(target => target.type === 'page');
    const { sessionId } = await browser.send('Target.attachToTarget', { targetId, flatten: true });
    browser.session = sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await browser.send(`${domain}.enable`);
    return browser;
  }

  constructor(child, profile) {
    Object.assign(this, { child, profile, next: 1, waiting: new Map(), listeners: [], errors: [], requests: [] });
    let text = '';
    child.stdio[4].setEncoding('utf8').on('data', piece => {
      text += piece;
      for (let end; (end = text.indexOf('\0')) >= 0; text = text.slice(end + 1)) this.hear(JSON.parse(text.slice(0, end)));
    });
    child.on('exit', () => this.waiting.forEach(([, fail]) => fail(new Error('Chromium has ended'))));
  }

  hear(message) {
    if (message.id) {
      const [done, fail] = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      message.error ? fail(new Error(JSON.stringify(message.error))) : done(message.result);
      return;
    }
    const { method, params } = message;
    if (method === 'Runtime.exceptionThrown') this.errors.push(params.exceptionDetails.exception?.description ?? 'exception');
    if (method === 'Runtime.consoleAPICalled' && params.type === 'error') this.errors.push(JSON.stringify(params.args));
    if (method === 'Log.entryAdded' && params.entry.level === 'error') this.errors.push(params.entry.text);
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
    this.listeners = this.listeners.filter(listener => !listener(method));
  }

  send(method, params = {}) {
    const id = this.next++;
    const message = { id, method, params, ...(this.session ? { sessionId: this.session } : {}) };
    this.child.stdio[3].write(JSON.stringify(message) + '\0');
    return new Promise((done, fail) => this.waiting.set(id, [done, fail]));
  }

  event(method) {
    return new Promise(done => this.listeners.push(seen => seen === method && (done(), true)));
  }

  // Opens a page in a window of this size; returns the milliseconds until it had loaded.
  async open(url, { width = 1400, height = 900, dark = false, media = '' } = {}) {
    this.errors = [];
    this.requests = [];
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
    await this.send('Emulation.setEmulatedMedia',
      { media, features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    const loaded = this.event('Page.loadEventFired');
    await this.send('Page.navigate', { url });
    await loaded;
    return this.run('performance.getEntriesByType("navigation")[0].loadEventEnd || performance.now()');
  }

  // The value of an expression in the page.
  async run(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate',
      { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  mouse(type, x, y, more = {}) {
    return this.send('Input.dispatchMouseEvent',
      { type, x, y, button: type === 'mouseMoved' ? 'none' : 'left', clickCount: 1, ...more });
  }

  async click(x, y) {
    await this.mouse('mousePressed', x, y);
    await this.mouse('mouseReleased', x, y);
  }

  async key(key) {
    const code = { Enter: 13, Escape: 27, ArrowLeft: 37, ArrowRight: 39 }[key];
    const text = key.length === 1 ? { text: key } : {};
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, windowsVirtualKeyCode: code, ...text });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, windowsVirtualKeyCode: code });
  }

  async picture() {
    const { cssContentSize: { width, height } } = await this.send('Page.getLayoutMetrics');
    const clip = { x: 0, y: 0, width, height: Math.min(height, 12000), scale: 1 };
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', clip, captureBeyondViewport: true });
    return Buffer.from(data, 'base64');
  }

  // The number of A4 pages that it prints on.
  async pages() {
    const { data } = await this.send('Page.printToPDF', { paperWidth: 8.27, paperHeight: 11.69, preferCSSPageSize: true });
    const text = Buffer.from(data, 'base64').toString('latin1');
    return [...text.matchAll(/\/Type\s*\/Page\b/g)].length;
  }

  async stop() {
    const gone = new Promise(done => this.child.once('exit', done));
    this.child.kill();
    await gone;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
