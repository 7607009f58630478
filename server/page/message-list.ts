/** The list of messages, newest first, with a bound. */
import type { Message } from 'stomp-relay-client';
import { elements, make } from './elements.js';

const SHOWN_MAX = 200;
const BODY_SHOWN_MAX = 10_000;

let count = 0;

export function showMessage({ destination, body }: Message): void {
  const now = new Date();
  const time = make('time', now.toLocaleTimeString(undefined, { hour12: false })) as HTMLTimeElement;
  time.dateTime = now.toISOString();
  const facts = make('div', '', 'facts');
  facts.append(time, make('span', destination));
  const item = document.createElement('li');
  item.append(facts, make('p', cut(body), 'body'));
  elements.messages.prepend(item);
  if (elements.messages.childElementCount > SHOWN_MAX) elements.messages.lastElementChild?.remove();
  show(count + 1);
}

export function clearMessages(): void {
  elements.messages.replaceChildren();
  show(0);
}

function show(newCount: number): void {
  count = newCount;
  elements.count.textContent = String(count);
  elements.empty.hidden = count > 0;
}

function cut(body: string): string {
  return body.length <= BODY_SHOWN_MAX ? body : `${body.slice(0, BODY_SHOWN_MAX)}… (${body.length} characters)`;
}
