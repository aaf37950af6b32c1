// What the journeys share: the server that `run` started, a browser without JavaScript, and one with it.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import axe from 'axe-core';
import { chromium } from 'playwright-core';

const given = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: start the journeys with tests/journeys/run`);
  return value;
};

/** The program under test. */
export const binary = () => given('JOURNEYS_BINARY');
/** The issuer that `run` started. */
export const issuer = () => given('JOURNEYS_ISSUER');
/** What a command of the set-up printed as JSON, or a file that it made. */
export const made = (name) => JSON.parse(readFileSync(path.join(given('JOURNEYS_DIR'), `${name}.json`), 'utf8'));

export const person = { login: 'ada', password: 'correct horse battery staple' };
/** Who may see what happens. */
export const administrator = { login: 'grace', password: 'another battery horse staple' };
export const api = 'https://api.example.com';

/** An application's web server on a loopback port: it keeps what the browser brings to its redirect URI. */
export class Application {
  constructor() {
    this.reset();
  }

  reset() {
    this.arrivals = [];
    /** Answers 204, so that the browser stays where it is. */
    this.holding = false;
    /** Redirects what arrives to another origin at once. */
    this.passing = false;
  }

  async start() {
    this.server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      const url = new URL(request.url, this.origin);
      const page = '<!doctype html><html lang="en"><title>Client</title><main><h1 id="arrived">Arrived</h1></main></html>';
      if (url.pathname === '/landed') {
        response.writeHead(200, { 'content-type': 'text/html' }).end(page);
        return;
      }
      if (url.pathname !== '/cb' && url.pathname !== '/bye') {
        response.writeHead(204).end();
        return;
      }
      const fields = new URLSearchParams(request.method === 'POST' ? body : url.search);
      this.arrivals.push({ method: request.method, path: url.pathname, fields });
      if (this.holding) {
        response.writeHead(204).end();
        return;
      }
      if (this.passing) {
        response.writeHead(303, { location: this.elsewhere }).end();
        return;
      }
      response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    });
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.origin = `http://127.0.0.1:${this.server.address().port}`;
    this.redirectUri = `${this.origin}/cb`;
    this.elsewhere = `http://localhost:${this.server.address().port}/landed`;
    return this;
  }

  /** The one thing that arrived since the last call. */
  arrival() {
    assert.equal(this.arrivals.length, 1, `arrived: ${JSON.stringify(this.arrivals)}`);
    return this.arrivals.pop();
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const unescape = (text) =>
  text
    .replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

const attribute = (tag, name) => unescape(new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1] ?? '');

/** Cookies and forms over plain HTTP, as a person's browser sends them. */
export class Jar {
  cookies = new Map();

  async fetch(url, init = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
    for (const header of response.headers.getSetCookie()) {
      const [name, value] = header.split(';')[0].split(/=(.*)/s);
      if (header.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return { url: String(url), status: response.status, location: response.headers.get('location'), body: await response.text() };
  }

  /** Follows redirects, and pages that go on by themselves, for as long as they stay with the issuer. */
  async follow(answer) {
    const onward = (page) => page.location ?? Jar.onward(page.body);
    while (onward(answer) !== null) {
      const next = new URL(onward(answer), answer.url);
      if (next.origin !== new URL(issuer()).origin) return { ...answer, left: next };
      answer = await this.fetch(next);
    }
    return answer;
  }

  async open(url) {
    return this.follow(await this.fetch(url));
  }

  /** Where a page goes on to by itself, without a script. */
  static onward(html) {
    const refresh = /<meta http-equiv="refresh" content="0; url=([^"]*)">/.exec(html);
    return refresh && unescape(refresh[1]);
  }

  /** The action and the hidden fields of a page's form. */
  static form(page, id) {
    const html = new RegExp(`<form[^>]* id="${id}"[\\s\\S]*?</form>`).exec(page.body)?.[0];
    assert.ok(html, `no ${id}: ${page.status} ${page.body}`);
    const fields = new URLSearchParams();
    for (const [tag] of html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      fields.set(attribute(tag, 'name'), attribute(tag, 'value'));
    }
    return { action: new URL(attribute(/<form[^>]*>/.exec(html)[0], 'action'), page.url), fields };
  }

  async submit(page, id, more = {}) {
    const { action, fields } = Jar.form(page, id);
    for (const [name, value] of Object.entries(more)) fields.set(name, value);
    const headers = { origin: new URL(issuer()).origin };
    return this.follow(await this.fetch(action, { method: 'POST', body: fields, headers }));
  }

  /** Opens an authorization request, logs in and agrees where that is asked. */
  async logIn(url) {
    let page = await this.open(url);
    if (page.body.includes('id="login-form"')) page = await this.submit(page, 'login-form', person);
    if (page.body.includes('id="consent-form"')) page = await this.submit(page, 'consent-form', { decision: 'allow' });
    return page;
  }
}

/** Chromium, with a fresh profile. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A new browser window that notes whatever goes wrong in its pages. Without transitions, colours are what they are. */
export async function open(browser, options = {}) {
  const viewport = { width: 1024, height: 768 };
  const context = await browser.newContext({ viewport, reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A page that says what was wrong comes with 4xx, which the console notes, too.
    const isStatus = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !isStatus) complaints.push(message.text());
  });
  return { context, page, complaints };
}

/** Looks at a page in light and dark: a screenshot of each, and no accessibility rule is broken. */
export async function look(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const dir = process.env.JOURNEYS_SCREENSHOTS;
    if (dir) {
      mkdirSync(dir, { recursive: true });
      await page.screenshot({ path: path.join(dir, `${name}-${colorScheme}.png`), fullPage: true });
    }
    await page.evaluate(axe.source);
    const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
    assert.ok(passes.length > 5, `${name}: nothing was checked`);
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' | ')}`);
    assert.deepEqual(found, [], `${name} in ${colorScheme}`);
  }
}
