/** The page's chatbot, with and without the service of examples/chatbot. */
import { afterEach, expect, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { LONG_QUESTION, startChatbot } from '../../support/chatbot-service.js';
import { startRelay } from '../relay-process.js';
import { demoPage, join, part } from './demo-page.js';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0)) await clean();
});
const demo = demoPage();
const chatbot = (page: Page) => part(page, 'Chatbot');
const turn = (page: Page, text: string) => chatbot(page).getByRole('log').locator('li', { hasText: text });

const startService = (pauseMs: number) => startChatbot(demo.relay.websocketUrl, pauseMs, cleanUp);

async function ask(page: Page, question: string): Promise<void> {
  await chatbot(page).getByLabel('Question').fill(question);
  await chatbot(page).getByRole('button', { name: 'Ask' }).click();
}

test('the chatbot answers in parts, and can be asked again', async () => {
  await startService(1);
  const page = await demo.openTab();
  await ask(page, 'how are you today');
  await chatbot(page).getByRole('button', { name: 'Ask' }).waitFor(); // instead of "Stop": the answer is complete
  const words = (await turn(page, 'how are you today').innerText()).split(/\s+/);
  expect(words.length).toBeGreaterThan('how are you today'.split(' ').length);
  await ask(page, 'and tomorrow');
  await turn(page, 'and tomorrow').locator('[data-going=false]').waitFor();
  expect(demo.pageErrors).toEqual([]);
});

test('an answer can be stopped', async () => {
  await startService(200);
  const page = await demo.openTab();
  await ask(page, LONG_QUESTION);
  const answer = chatbot(page).getByRole('log').locator('.answer');
  await answer.getByText(/\w/).waitFor();
  await chatbot(page).getByLabel('Question').fill('half a quest');
  await chatbot(page).getByRole('button', { name: 'Stop' }).click();
  await chatbot(page).getByText('Stopped.').waitFor();
  expect(await answer.getAttribute('data-going')).toBe('false');
  expect(await chatbot(page).getByLabel('Question').inputValue()).toBe('half a quest'); // the click on Stop did not ask it
  await ask(page, 'once more'); // the service is free again
  await turn(page, 'once more').locator('.answer', { hasText: /\w/ }).waitFor();
});

test('a double click on Ask asks, and does not stop the answer', async () => {
  await startService(200);
  const page = await demo.openTab();
  await chatbot(page).getByLabel('Question').fill(LONG_QUESTION);
  await chatbot(page).getByRole('button', { name: 'Ask' }).dblclick();
  await chatbot(page)
    .locator('.answer', { hasText: /\w+ \w/ })
    .waitFor();
  expect(await chatbot(page).getByText('Stopped.').count()).toBe(0);
});

test('without the service the page shows how to start it, and the question is answered after the start', async () => {
  const page = await demo.openTab();
  await ask(page, 'is the service there');
  await chatbot(page).getByText(`node examples/chatbot/main.js ${demo.relay.websocketUrl}`).waitFor();
  await startService(1);
  await turn(page, 'is the service there').locator('[data-going=false]', { hasText: /\w/ }).waitFor();
  expect(await chatbot(page).getByText('No answer yet').count()).toBe(0);
});

test('an answer that ends with the connection shows the loss, and the next answer arrives', async () => {
  await startService(200);
  const page = await demo.openTab();
  await ask(page, LONG_QUESTION);
  await chatbot(page).locator('.answer').getByText(/\w/).waitFor();
  await demo.relay.stop('SIGKILL');
  demo.relay = await startRelay('--port', demo.relay.port);
  await chatbot(page).getByText('The connection was lost during the answer.').waitFor();
  await ask(page, 'once more');
  await turn(page, 'once more').locator('[data-going=false]', { hasText: 'asked me 2 words' }).waitFor();
});

test('an answer shows the loss after a change of the user name', async () => {
  await startService(200);
  const page = await demo.openTab();
  await ask(page, LONG_QUESTION);
  await chatbot(page).locator('.answer').getByText(/\w/).waitFor();
  await join(page, 'anna');
  await chatbot(page).getByText('The connection was lost during the answer.').waitFor();
});
