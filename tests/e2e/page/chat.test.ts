/** The page's chat between tabs. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { demoPage, join, part } from './demo-page.js';

const demo = demoPage();
const chat = (page: Page) => part(page, 'Chat');
const line = (page: Page, text: string) => chat(page).getByRole('log').locator('li', { hasText: text });

async function sendLine(page: Page, text: string): Promise<void> {
  await chat(page).getByLabel('Message').fill(text);
  await page.keyboard.press('Enter');
}

test('two tabs chat: each line shows its sender, and own lines show their confirmation', async () => {
  const [anna, bert] = [await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(bert, 'bert');
  await sendLine(bert, 'Hello, anna!');
  await line(anna, 'Hello, anna!').getByRole('button', { name: 'bert' }).waitFor();
  await line(bert, 'Hello, anna!').getByText('✓ confirmed').waitFor();
  await sendLine(anna, 'Hello, bert!');
  await line(bert, 'Hello, bert!').getByRole('button', { name: 'anna' }).waitFor();
  for (const page of [anna, bert]) expect(await line(page, 'Hello').count()).toBe(2); // the own line came back, and is shown once
  expect(demo.pageErrors).toEqual([]);
});

test('the sender of a line is the user that the relay names, not a name in the body', async () => {
  const [anna, mallory] = [await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(mallory, 'mallory');
  await sendLine(mallory, '{"user":"the boss","text":"You are all fired"}');
  await line(anna, 'fired').getByRole('button', { name: 'mallory' }).waitFor();
});

test('a private message reaches one user, and a click on a name addresses the user', async () => {
  const [anna, bert, carl] = [await demo.openTab(), await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(bert, 'bert');
  await join(carl, 'carl');
  await sendLine(anna, '@bert a secret');
  await line(bert, 'a secret').getByText('to you').waitFor();
  await line(anna, 'a secret').getByText('to bert').waitFor();
  await line(bert, 'a secret').getByRole('button', { name: 'anna' }).click();
  expect(await chat(bert).getByLabel('Message').inputValue()).toBe('@anna ');
  await sendLine(anna, 'for all');
  await line(carl, 'for all').waitFor();
  expect(await line(carl, 'secret').count()).toBe(0);
});

test('a private message to a missing user shows an error', async () => {
  const page = await demo.openTab();
  await join(page, 'anna');
  await sendLine(page, '@nemo are you there?');
  await line(page, 'are you there?').getByText('No user named nemo is here.').waitFor();
  await sendLine(page, 'still here');
  await line(page, 'still here').getByText('✓ confirmed').waitFor();
});

test('the chat suggests a name, asks once, and keeps the name for this tab', async () => {
  const page = await demo.openTab();
  expect(await chat(page).getByLabel('Your name').inputValue()).toMatch(/^[a-z]+-[a-z]+-\d\d$/);
  await join(page, 'ada.lovelace');
  await page.reload();
  await chat(page).getByText('as ada.lovelace').waitFor();
  await chat(page).getByRole('button', { name: 'Leave' }).click();
  await chat(page).getByLabel('Your name').waitFor();
  await page.reload();
  await chat(page).getByLabel('Your name').waitFor();
});

test('the focus moves on when a user joins and leaves, and stays in the console', async () => {
  const page = await demo.openTab();
  const focused = (): Promise<string | null> => page.evaluate(() => document.activeElement!.id);
  await chat(page).getByRole('button', { name: 'Join the chat' }).focus();
  await page.keyboard.press('Enter');
  await chat(page).getByRole('log').waitFor();
  expect(await focused()).toBe(await chat(page).getByLabel('Message').getAttribute('id'));
  await chat(page).getByRole('button', { name: 'Leave' }).click();
  await chat(page).getByLabel('Your name').waitFor();
  expect(await focused()).toBe(await chat(page).getByLabel('Your name').getAttribute('id'));
  const login = part(page, 'Console').getByLabel('Login');
  await login.fill('ada');
  await login.press('Enter');
  await chat(page).getByText('as ada').waitFor();
  expect(await login.evaluate((input) => input === document.activeElement)).toBe(true);
});
