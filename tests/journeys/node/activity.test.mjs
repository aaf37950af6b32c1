// An administrator looks at what happens.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { administrator, issuer, launch, look, open, person } from './support.mjs';

let browser;

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

async function signIn(page, { login, password }) {
  await page.waitForSelector('#login-form');
  await page.fill('#login', login);
  await page.fill('#password', password);
  await page.click('#login-submit');
}

for (const javaScriptEnabled of [false, true]) {
  const way = javaScriptEnabled ? 'with JavaScript' : 'without JavaScript';
  const seen = javaScriptEnabled ? look : async () => {};

  test(`an administrator follows a number to its events, ${way}`, async () => {
    const { context, page, complaints } = await open(browser, { javaScriptEnabled });
    await page.goto(`${issuer()}/admin`);
    await seen(page, 'admin-sign-in');
    await signIn(page, { ...administrator, password: 'incorrect horse' });
    await page.waitForSelector('#login-error');
    await signIn(page, administrator);
    await page.waitForSelector('#activity');
    assert.ok(page.url().includes('/admin/activity'), page.url());
    for (const range of ['Hour', 'Week', 'Day']) {
      await page.click(`.ranges >> text=${range}`);
      assert.equal(await page.textContent('.ranges [aria-current]'), range);
    }
    // The charts are drawn, and each has its table.
    assert.ok((await page.locator('#logins svg rect').count()) >= 2);
    await page.click('#logins summary');
    assert.equal(await page.locator('#logins tbody tr').count(), 24);
    await seen(page, 'activity');

    const failed = page.locator('#denial-reasons td a').first();
    const number = Number(await failed.textContent());
    await failed.click();
    await page.waitForSelector('#events');
    assert.equal(await page.locator('#events tbody tr').count(), number);
    await seen(page, 'events');
    await page.click('#events tbody a >> nth=0');
    await page.waitForSelector('#event');
    assert.match(await page.textContent('main'), /insufficient_scope/);
    await seen(page, 'event');

    await page.goto(`${issuer()}/admin/events`);
    await page.selectOption('#kind', 'login_failed');
    await page.fill('#user', administrator.login);
    await page.click('#search-submit');
    assert.ok((await page.locator('#events tbody tr').count()) >= 1);
    await page.fill('#user', 'nobody at all');
    await page.click('#search-submit');
    await page.waitForSelector('#search-error');
    await seen(page, 'events-error');
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test('a person who is no administrator is told so', async () => {
  const { context, page, complaints } = await open(browser);
  await page.goto(`${issuer()}/admin/activity`);
  await signIn(page, person);
  await page.waitForSelector('#error-page');
  await look(page, 'not-an-administrator');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('the activity fits a phone', async () => {
  const { context, page } = await open(browser, { viewport: { width: 320, height: 640 } });
  await page.goto(`${issuer()}/admin/activity`);
  await signIn(page, administrator);
  for (const path of ['/admin/activity', '/admin/activity?range=week', '/admin/events']) {
    await page.goto(issuer() + path);
    for (const summary of await page.locator('summary').all()) await summary.click();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 320, `${path} is ${width} wide`);
  }
  await page.goto(`${issuer()}/admin/activity`);
  await look(page, 'activity-phone');
  await page.goto(`${issuer()}/admin/events`);
  await page.click('#events tbody a >> nth=0');
  await look(page, 'event-phone');
  await context.close();
});
