// The newcomer's command: every line that it prints does what it says, and so does what it shows in the browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { binary, launch, look, open } from './support.mjs';

let demo;
let browser;

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the demo and reads what it prints. */
async function start() {
  const child = spawn(binary(), ['demo', '--port', String(await freePort())], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let printed = '';
  for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
    printed += text;
    if (printed.includes('Ctrl-C')) break;
  }
  child.stdout.resume();
  const url = /(http:\/\/127\.0\.0\.1:\d+)/.exec(printed)[1];
  for (;;) {
    const ready = await fetch(`${url}/health/ready`).catch(() => null);
    if (ready?.ok) break;
    assert.equal(child.exitCode, null, 'the demo ended by itself');
  }
  const [, user, password] = /as (\S+) with the password (\S+)/.exec(printed);
  const steps = [...printed.matchAll(/^# (.*)\n((?:.+\n)+)/gm)].map(([, title, command]) => ({ title, command: command.trim() }));
  return { child, ended, url, user, password, steps };
}

/** Pastes lines into one bash, and gives what each printed. */
async function paste(commands) {
  const shell = spawn('bash', ['-s'], { stdio: ['pipe', 'pipe', 'ignore'] });
  let output = '';
  shell.stdout.on('data', (text) => (output += text));
  for (const command of commands) shell.stdin.write(`${command}\nprintf '\\n@@ %s\\n' "$?"\n`);
  shell.stdin.end();
  await new Promise((resolve) => shell.once('close', resolve));
  const parts = output.split(/\n@@ (\d+)\n/);
  return commands.map((_, index) => {
    assert.equal(parts[2 * index + 1], '0', `${commands[index]} ended with ${parts[2 * index + 1]}`);
    return parts[2 * index];
  });
}

/** What each step's title promises. */
const promises = [
  [/token for a machine/, (said) => assert.match(said.trim(), /^[\w-]+\.[\w-]+\.[\w-]+$/)],
  [/Call the API (with it|as this person)/, (said) => {
    assert.match(said, /^HTTP\/1\.1 200 /);
    assert.match(said, /"order":/);
  }],
  [/scope doesn’t allow|scope doesn't allow/, (said) => {
    assert.match(said, /^HTTP\/1\.1 403 /);
    assert.match(said, /insufficient_scope/);
  }],
  [/without a token/, (said) => assert.match(said, /^HTTP\/1\.1 401 /)],
  [/^Refresh/, (said) => {
    const tokens = JSON.parse(said);
    assert.ok(tokens.access_token && tokens.refresh_token, said);
  }],
  [/^Revoke/, (said) => assert.match(said, /^HTTP\/1\.1 200 /)],
  [/public keys/, (said) => assert.ok(JSON.parse(said).keys.length >= 2, said)],
  [/Log in without/, (said) => assert.match(said, /Ada Lovelace is signed in/)],
  [/who this is/, (said) => assert.equal(JSON.parse(said).name, 'Ada Lovelace')],
];

async function keepsItsPromises(steps) {
  assert.ok(steps.length > 0, 'nothing is printed to paste');
  const said = await paste(steps.map(({ command }) => command));
  for (const [index, { title }] of steps.entries()) {
    const promise = promises.find(([about]) => about.test(title));
    assert.ok(promise, `nothing is known of "${title}"`);
    promise[1](said[index]);
  }
  // After the revocation, the refresh that worked is refused.
  const refresh = steps.find(({ title }) => /^Refresh/.test(title));
  const [again] = await paste([refresh.command]);
  assert.equal(JSON.parse(again).error, 'invalid_grant', again);
}

before(async () => {
  demo = await start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  demo?.child.kill('SIGKILL');
});

test('whoever refuses is back at the start', async () => {
  const { context, page, complaints } = await open(browser);
  await page.goto(`${demo.url}/demo/login`);
  await page.fill('#login', demo.user);
  await page.fill('#password', demo.password);
  await page.click('#login-submit');
  await page.click('#consent-deny');
  await page.waitForSelector('#demo-start');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('the start page leads through a login to what the API says', async () => {
  const { context, page, complaints } = await open(browser);
  await page.goto(`${demo.url}/`);
  await look(page, 'demo-start');
  assert.equal(await page.textContent('#demo-user'), demo.user);
  assert.equal(await page.textContent('#demo-password'), demo.password);
  assert.deepEqual(await page.locator('.steps pre').allTextContents(), demo.steps.map(({ command }) => command));

  await page.click('#demo-login');
  await page.fill('#login', demo.user);
  await page.fill('#password', demo.password);
  await page.click('#login-submit');
  await page.waitForSelector('#consent-form');
  await look(page, 'demo-consent');
  await page.click('#consent-allow');
  await page.waitForSelector('#demo-result');
  await look(page, 'demo-result');
  const calls = await page.locator('.calls li').allInnerTexts();
  const verdicts = calls.map((call) => /\d{3}/.exec(call)[0]);
  assert.deepEqual(verdicts, ['200', '200', '403'], calls.join('\n'));
  assert.match(calls[2], /insufficient_scope|orders:write/);

  const steps = await page.locator('.steps li').evaluateAll((items) =>
    items.map((item) => ({ title: item.querySelector('h3').textContent, command: item.querySelector('pre').textContent })),
  );
  await keepsItsPromises(steps);
  assert.deepEqual(complaints, []);
  await context.close();
});

// Last, for Ada agrees in it, and isn't asked again.
test('every printed line does what it says', async () => {
  assert.equal(demo.steps.length, 8, JSON.stringify(demo.steps));
  await keepsItsPromises(demo.steps);
});

test('Ctrl-C ends it', async () => {
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0);
});
