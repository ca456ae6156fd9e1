// Makes ledgers with everything that the page can show, opens the page as an auditor does, and checks what is seen.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import chromium from '@sparticuz/chromium';
import { chromium as browserType } from 'playwright-core';

const [binary, shots] = process.argv.slice(2);
let passed = 0;
let failed = 0;
function check(what, isGood, detail = '') {
  if (isGood) passed += 1;
  else failed += 1;
  console.log(`${isGood ? 'ok' : 'FAIL'} ${what}${isGood || !detail ? '' : `: ${detail}`}`);
}

function run(statuses, ...words) {
  const ended = spawnSync(binary, [...words, '--quiet'], { encoding: 'utf8', timeout: 120_000 });
  if (!statuses.includes(ended.status)) {
    throw new Error(`cognito-link ${words.join(' ')} ended with ${ended.status}: ${ended.stderr}`);
  }
  return ended.stdout;
}

// 200 rows: of every tenth the user is missing, and a few are invalid. The rate is above the quota.
const pool = { version: 1, pool: { id: 'sim-local-1_Audit' }, providers: [{ name: 'Okta', type: 'OIDC' }], users: [] };
const rows = ['destination_username,source_provider,source_value,ticket'];
for (let number = 0; number < 200; number += 1) {
  if (number % 10) pool.users.push({ username: `person-${number}` });
  rows.push(`person-${number},Okta,${number % 97 === 1 ? '' : `00u${number}xYz`},T-${number}`);
}
writeFileSync('pool.json', JSON.stringify(pool));
writeFileSync('pairs.csv', `${rows.join('\n')}\n`);
const simulated = ['--simulate', '--pool-file', 'pool.json', '--save-pool', 'pool.json', '--force'];
const link = ['link', 'pairs.csv', ...simulated, '--yes', '--ledger', 'ledger', '--stop-after', 'user_not_found=100%'];
run([3], ...link, '--simulate-quota', '12');
run([0, 3], 'undo', 'ledger', ...simulated, '--rows', '2-60', '--yes', '--rate', '40', '--simulate-quota', '8');
// One row is corrected and one is gone; the others are as they were.
rows[1] = 'person-1,Okta,00u0xYz,T-0';
rows.splice(5, 1);
writeFileSync('pairs.csv', `${rows.join('\n')}\n`);
run([3], ...link, '--rate', '80');
run([0], 'report', 'ledger', '--html', 'page.html', '--csv', 'rows.csv');

// The largest page: 100,000 rows, of which each needs a decision, as copies of one refused row.
function largeLedger() {
  writeFileSync('one.csv', `${rows[0]}\nnobody,Okta,00uNobody,T-0\n`);
  run([3], 'link', 'one.csv', ...simulated, '--yes', '--ledger', 'one');
  const lines = readFileSync('one', 'utf8').trimEnd().split('\n').map((line) => line.replace(/,"hash":"[0-9a-f]{16}"}$/, ''));
  const isOfRow = (line) => line.includes('"row":1,');
  const head = lines.findIndex(isOfRow);
  const ofRow = lines.filter(isOfRow);
  const copies = Array.from({ length: 100_000 }, (_, index) => ofRow.map((line) => line
    .replace('"row":1,', `"row":${index + 1},`).replace(/"key":"[0-9a-f]{32}"/, `"key":"${String(index).padStart(32, '0')}"`)));
  let state = Buffer.alloc(32);
  const sealed = [...lines.slice(0, head), ...copies.flat(), lines.at(-1)].map((line) => {
    state = createHash('sha256').update(state).update(line).digest();
    return `${line},"hash":"${state.toString('hex', 0, 8)}"}\n`;
  });
  writeFileSync('large', sealed.join(''));
  run([0], 'report', 'large', '--html', 'large.html');
}
largeLedger();

const browser = await browserType.launch({
  // Its own arguments are for one page in one process.
  executablePath: await chromium.executablePath(), args: ['--no-sandbox'], headless: true, timeout: 60_000,
});
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const address = pathToFileURL(resolve('page.html')).href;
try {
  for (const [name, media, width] of [
    ['light', { colorScheme: 'light' }, 1280],
    ['dark', { colorScheme: 'dark' }, 1280],
    ['narrow', { colorScheme: 'light' }, 390],
    ['print', { colorScheme: 'dark', media: 'print' }, 794],
  ]) {
    // The page forbids scripts, and axe is one.
    const context = await browser.newContext({ bypassCSP: true, viewport: { width, height: 1200 } });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const requests = [];
    const complaints = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    await page.emulateMedia(media);
    const began = performance.now();
    await page.goto(address, { waitUntil: 'load' });
    const took = performance.now() - began;
    check(`${name}: the page opens in under a second`, took < 1_000, `${took.toFixed()} ms`);
    check(`${name}: nothing is requested from outside`, requests.length === 1, requests.join(' '));
    check(`${name}: the browser does not complain`, complaints.length === 0, complaints.join(' '));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    check(`${name}: the page is not wider than the window`, wide <= 0, `${wide} pixels`);
    await page.screenshot({ path: join(shots, `${name}.png`) });
    await page.locator('article.run').first().screenshot({ path: join(shots, `${name}-run.png`) });
    await page.locator('article.run').nth(1).screenshot({ path: join(shots, `${name}-undo.png`) });
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document));
    check(`${name}: axe checks it`, found.passes.length > 20, `${found.passes.length} rules passed`);
    const broken = found.violations.map((rule) => `${rule.id} (${rule.nodes.length}): ${rule.nodes[0].html.slice(0, 120)}`);
    check(`${name}: axe finds no violation`, broken.length === 0, broken.join('; '));
    if (name === 'print') {
      await page.pdf({ path: join(shots, 'print.pdf'), format: 'A4', printBackground: false });
    }
    await context.close();
  }
  const large = await browser.newPage();
  const began = performance.now();
  await large.goto(pathToFileURL(resolve('large.html')).href, { waitUntil: 'load' });
  const took = performance.now() - began;
  const bytes = statSync('large.html').size;
  check(`the page of 100,000 rows is under 1 MiB (${bytes} bytes)`, bytes < 1_048_576);
  check(`the page of 100,000 rows opens in under a second (${took.toFixed()} ms)`, took < 1_000);
  const isSaid = await large.evaluate(() => document.body.innerText.includes('99,500 more are not on this page'));
  check('the page of 100,000 rows says how many it leaves out', isSaid);
  // An axe that finds nothing anywhere would pass too.
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.setContent('<html><body><img src="x"><p style="color:#bbb;background:#fff">pale</p></body></html>');
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document));
  check('axe finds what is wrong with a bad page', found.violations.length >= 3, `${found.violations.length}`);
} finally {
  await browser.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
