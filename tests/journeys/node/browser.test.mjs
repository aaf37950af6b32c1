// A person's browser, with and without JavaScript.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Application, issuer, launch, look, open, person } from './support.mjs';

const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
let application;
let browser;

before(async () => {
  application = await new Application().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  application.stop();
});

beforeEach(() => application.reset());

function authorize(changes = {}) {
  const url = new URL('/authorize', issuer());
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: 'web',
    redirect_uri: application.redirectUri,
    scope: 'openid profile email offline_access orders:read',
    state: 'the state',
    nonce: 'the nonce',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...changes,
  });
  return String(url);
}

async function signIn(page, password = person.password) {
  await page.fill('#login', person.login);
  await page.fill('#password', password);
  await page.click('#login-submit');
}

/** The browser stands on the client's page, which got a code. */
async function arrived(page, method = 'GET') {
  await page.waitForSelector('#arrived');
  assert.ok(page.url().startsWith(application.redirectUri), page.url());
  const { fields, method: came } = application.arrival();
  assert.equal(came, method);
  assert.match(fields.get('code'), /^.{22,}$/);
  assert.equal(fields.get('state'), 'the state');
  assert.equal(fields.get('iss'), issuer());
}

for (const javaScriptEnabled of [false, true]) {
  const way = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';
  // Accessibility is judged by a script in the page.
  const seen = javaScriptEnabled ? look : async () => {};

  test(`a person is refused with a wrong password, signs in, agrees, and signs out, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    await page.goto(authorize({ prompt: 'consent' }));
    await page.waitForSelector('#login-form');
    await seen(page, 'sign-in');

    await signIn(page, 'incorrect horse');
    await page.waitForSelector('#login-error');
    // Next to the field, and told to whoever hears the page.
    const described = await page.getAttribute('#password', 'aria-describedby');
    assert.equal(await page.getAttribute('#password', 'aria-invalid'), 'true');
    assert.ok(described.split(' ').includes('password-error'), described);
    const [field, error] = [await page.locator('#password').boundingBox(), await page.locator('#password-error').boundingBox()];
    assert.ok(Math.abs(error.y - field.y - field.height) < 24, 'the error is away from its field');
    assert.equal(await page.inputValue('#login'), person.login);
    assert.equal(await page.inputValue('#password'), '');
    assert.equal(application.arrivals.length, 0);
    await seen(page, 'sign-in-error');

    await signIn(page);
    await page.waitForSelector('#consent-form');
    assert.match(await page.textContent('main'), /orders/i);
    await seen(page, 'consent');
    await page.click('#consent-allow');
    await arrived(page);

    // Known, and agreed already.
    await page.goto(authorize());
    await arrived(page);

    await page.goto(authorize({ prompt: 'login' }));
    await page.waitForSelector('#login-form');
    await seen(page, 'sign-in-again');
    await signIn(page);
    await arrived(page);

    await page.goto(authorize({ prompt: 'consent' }));
    await page.click('#consent-deny');
    await page.waitForSelector('#arrived');
    const { fields } = application.arrival();
    assert.equal(fields.get('error'), 'access_denied');
    assert.equal(fields.get('state'), 'the state');
    assert.equal(fields.get('code'), null);

    await page.goto(`${issuer()}/logout`);
    await page.waitForSelector('#logout-form');
    await seen(page, 'sign-out');
    await page.click('#logout-confirm');
    await page.waitForSelector('#logged-out');
    await seen(page, 'signed-out');
    await page.goto(authorize());
    await page.waitForSelector('#login-form');

    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`form_post arrives, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    await page.goto(authorize({ response_mode: 'form_post' }));
    await signIn(page);
    if (!javaScriptEnabled) await page.click('#form-post-submit');
    await arrived(page, 'POST');

    // The client says nothing, so the page that brings the code stays to be looked at.
    application.holding = true;
    await page.goto(authorize({ response_mode: 'form_post' }), { waitUntil: 'commit' });
    await page.waitForSelector('#form-post');
    await seen(page, 'form-post');

    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`a callback may redirect to another origin at once, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    application.passing = true;
    const landed = async () => {
      await page.waitForSelector('#arrived');
      assert.equal(page.url(), application.elsewhere);
      return application.arrival();
    };
    // After the sign-in, after the consent and after the sign-out: each began with a form of ours.
    await page.goto(authorize());
    await signIn(page);
    await landed();
    await page.goto(authorize({ prompt: 'consent' }));
    await page.click('#consent-allow');
    await landed();
    await page.goto(authorize());
    await landed();
    await page.goto(authorize({ response_mode: 'form_post', prompt: 'login' }));
    await signIn(page);
    if (!javaScriptEnabled) await page.click('#form-post-submit');
    assert.equal((await landed()).method, 'POST');
    const bye = new URLSearchParams({ client_id: 'web', post_logout_redirect_uri: `${application.origin}/bye` });
    await page.goto(`${issuer()}/logout?${bye}`);
    await page.click('#logout-confirm');
    await landed();
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`the page that leads on stands aside, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    await page.goto(`${issuer()}/`);
    await page.goto(authorize());
    // The client says nothing, so the page that brings the code stays to be looked at.
    application.holding = true;
    await signIn(page);
    await page.waitForSelector('#return-page');
    await seen(page, 'return');
    const there = await page.getAttribute('#return-link', 'href');
    assert.ok(there.startsWith(`${application.redirectUri}?code=`), there);
    application.reset();
    await page.click('#return-link');
    await arrived(page);
    await context.close();
    assert.deepEqual(complaints, []);
  });

  test(`going back from the client skips the page that led on, ${way}`, async () => {
    const { context, page } = await open(browser, { javaScriptEnabled });
    await page.goto(authorize());
    await signIn(page);
    await arrived(page);
    await page.goBack();
    assert.equal(await page.locator('#return-page').count(), 0, page.url());
    await context.close();
  });

  test(`a client's sign-out leads back to it, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    await page.goto(authorize());
    await signIn(page);
    await arrived(page);
    const bye = `${application.origin}/bye`;
    const query = new URLSearchParams({ client_id: 'web', post_logout_redirect_uri: bye, state: 'good night' });
    await page.goto(`${issuer()}/logout?${query}`);
    await seen(page, 'sign-out-for-client');
    await page.click('#logout-confirm');
    await page.waitForSelector('#arrived');
    const { path, fields } = application.arrival();
    assert.equal(path, '/bye');
    assert.equal(fields.get('state'), 'good night');
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test('pages that lead nowhere say so', async () => {
  const { context, page, complaints } = await open(browser);
  await page.goto(authorize({ client_id: 'nobody' }));
  await page.waitForSelector('#error-page');
  assert.equal(application.arrivals.length, 0);
  await look(page, 'error');
  await page.goto(`${issuer()}/no-such-page`);
  await page.waitForSelector('#error-page');
  await page.goto(`${issuer()}/`);
  await look(page, 'home');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('every page fits a phone', async () => {
  const { context, page } = await open(browser, { viewport: { width: 320, height: 640 } });
  const fits = async () => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${page.url()} is ${width} wide`);
  };
  await page.goto(authorize({ prompt: 'consent' }));
  await fits();
  await signIn(page);
  await page.waitForSelector('#consent-form');
  await fits();
  await page.goto(`${issuer()}/logout`);
  await fits();
  await page.goto(authorize({ client_id: 'nobody' }));
  await fits();
  await context.close();
});

test('a person gets through by keyboard alone', async () => {
  const { context, page } = await open(browser);
  await page.goto(authorize({ prompt: 'consent' }));
  await page.waitForFunction(() => document.activeElement?.id === 'login');
  await page.keyboard.type(person.login);
  await page.keyboard.press('Tab');
  await page.keyboard.type(person.password);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#consent-form');
  for (let pressed = 0; pressed < 20; pressed += 1) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement.id)) === 'consent-allow') break;
  }
  await page.keyboard.press('Enter');
  await arrived(page);
  await context.close();
});
