/** The page's chat between tabs. */
import { expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { demoPage, join, part } from './demo-page.js';

const demo = demoPage();
const chat = (page: Page) => part(page, 'Chat');
const line = (page: Page, text: string) => chat(page).getByRole('log').locator('li', { hasText: text });

async function say(page: Page, text: string): Promise<void> {
  await chat(page).getByLabel('Message').fill(text);
  await page.keyboard.press('Enter');
}

test('two tabs talk: each knows who has spoken, and that it was heard', async () => {
  const [anna, bert] = [await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(bert, 'bert');
  await say(bert, 'Hello, anna!');
  await line(anna, 'Hello, anna!').getByRole('button', { name: 'bert' }).waitFor();
  await line(bert, 'Hello, anna!').getByText('✓ confirmed').waitFor();
  await say(anna, 'Hello, bert!');
  await line(bert, 'Hello, bert!').getByRole('button', { name: 'anna' }).waitFor();
  for (const page of [anna, bert]) expect(await line(page, 'Hello').count()).toBe(2); // one's own came back, and is shown once
  expect(demo.complaints).toEqual([]);
});

test('who has written is what the relay says, whatever is in the body', async () => {
  const [anna, mallory] = [await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(mallory, 'mallory');
  await say(mallory, '{"user":"the boss","text":"You are all fired"}');
  await line(anna, 'fired').getByRole('button', { name: 'mallory' }).waitFor();
});

test('a private message reaches one person, and a name answers to a click', async () => {
  const [anna, bert, carl] = [await demo.openTab(), await demo.openTab(), await demo.openTab()];
  await join(anna, 'anna');
  await join(bert, 'bert');
  await join(carl, 'carl');
  await say(anna, '@bert a secret');
  await line(bert, 'a secret').getByText('to you').waitFor();
  await line(anna, 'a secret').getByText('to bert').waitFor();
  await line(bert, 'a secret').getByRole('button', { name: 'anna' }).click();
  expect(await chat(bert).getByLabel('Message').inputValue()).toBe('@anna ');
  await say(anna, 'for all');
  await line(carl, 'for all').waitFor();
  expect(await line(carl, 'secret').count()).toBe(0);
});

test('a private message to nobody says so', async () => {
  const page = await demo.openTab();
  await join(page, 'anna');
  await say(page, '@nemo are you there?');
  await line(page, 'are you there?').getByText('Nobody called nemo is here.').waitFor();
  await say(page, 'still here');
  await line(page, 'still here').getByText('✓ confirmed').waitFor();
});

test('a name is suggested, asked for once, and kept for this tab', async () => {
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

test('the focus goes on where somebody joins and leaves, and stays in the console', async () => {
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
