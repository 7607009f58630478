/**
 * A hidden tab. Chromium runs the timers of such a tab once a minute (after a grace period, which the flag shortens).
 * Heart-beats sent by a timer are then missed, and a server that requires them closes the connection.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { UsersChromium } from '../chromium.js';
import type { HiddenReport } from './page/unattended.js';
import { Pages } from './pages.js';
import { StrictServer } from './strict-server.js';

let chromium: UsersChromium;
let pages: Pages;
let server: StrictServer;

beforeAll(async () => {
  server = await StrictServer.start();
  pages = await Pages.serve();
  chromium = await UsersChromium.start('--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1');
});
afterAll(() => Promise.all([chromium.close(), pages.close(), server.close()]));

const seenOf = (client: string, command: string) =>
  server.received.all.filter((frame) => frame.client === client && frame.command === command);

async function reportOf(name: string, visibility: DocumentVisibilityState): Promise<HiddenReport> {
  const matches = (report: HiddenReport) => report.name === name && report.visibility === visibility;
  const reports = await pages.reports.until((all) => (all as HiddenReport[]).some(matches));
  return (reports as HiddenReport[]).find(matches)!;
}

test('a hidden tab keeps its session with a server that requires heart-beats', async () => {
  await chromium.openTab(pages.url('unattended', { client: 'stompjs', url: server.url('stompjs') }));
  await server.received.until(() => seenOf('stompjs', 'CONNECT').length === 1);
  const tab = await chromium.openTab(pages.url('unattended', { client: 'sdk', url: server.url('sdk') }));
  await server.received.until(() => seenOf('sdk', 'SUBSCRIBE').length === 1);

  await chromium.openTab('about:blank');
  await reportOf('sdk', 'hidden');
  const heartBeatsBefore = seenOf('sdk', '').length;
  // stompjs alone sends its heart-beats by a timer, and is disconnected
  await server.cutOff.atLeast(1);
  expect(server.cutOff.all).toEqual(['stompjs']);
  for (const body of ['one', 'two', 'three']) server.publish('/topic/data', body);
  await server.received.until(() => seenOf('sdk', 'SEND').length === 3);
  const heartBeatsWhileHidden = () => seenOf('sdk', '').length - heartBeatsBefore;
  await server.received.until(() => heartBeatsWhileHidden() >= 6);

  const heartBeats = heartBeatsWhileHidden();
  await chromium.show(tab);
  const { ticks, text } = await reportOf('sdk', 'visible');
  expect(text).toBe('one two three');
  expect(ticks).toBeLessThan(heartBeats); // unthrottled, there are ten ticks for each heart-beat
  expect(seenOf('sdk', 'CONNECT')).toHaveLength(1);
  expect(server.cutOff.all).toEqual(['stompjs']);
}, 60_000);
