/**
 * The demo page: what a person does with the relay by hand. It uses the same client library as any application would,
 * and keeps no state but the client and its subscriptions.
 */
import { createClient, RelayError } from 'stomp-relay-client';
import type { Client, ConnectionState, Subscription } from 'stomp-relay-client';
import { elements, make } from './elements.js';
import { clearMessages, showMessage } from './message-list.js';

const BADGES: Readonly<Record<ConnectionState['name'], string>> = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  waiting: 'Connection lost, trying again…',
  offline: 'No network',
  refused: 'Not connected',
  closed: 'Not connected',
};

let client: Client | undefined;

elements.connectForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (isOpen(client?.state.name)) void client?.close();
  else void connect();
});
elements.subscribeForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (client !== undefined) subscribe(client, elements.subscribeDestination.value.trim());
});
elements.sendForm.addEventListener('submit', (event) => {
  event.preventDefault();
  if (client !== undefined) void send(client);
});
elements.text.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) elements.sendForm.requestSubmit();
});
elements.clear.addEventListener('click', clearMessages);
elements.errorDismiss.addEventListener('click', hideError);
void prefillUrl();

async function connect(): Promise<void> {
  hideError();
  elements.subscriptions.replaceChildren();
  const { url, login, passcode } = elements;
  const credentials = {
    ...(login.value === '' ? {} : { login: login.value }),
    ...(passcode.value === '' ? {} : { passcode: passcode.value }),
  };
  client = createClient({ url: url.value.trim(), ...credentials });
  client.onState(showState);
  await client.connect().catch(() => {}); // the state listener has been told
}

function subscribe(to: Client, destination: string): void {
  hideError();
  const subscription = to.subscribe(destination, showMessage, { onError: (error) => ended(error) });
  const chip = makeChip(subscription, () => {
    subscription.unsubscribe();
    chip.remove();
  });
  const ended = (error: RelayError): void => {
    chip.remove();
    showError(error);
  };
  elements.subscriptions.append(chip);
  subscription.ready.then(
    () => (chip.dataset['ready'] = 'true'),
    () => chip.remove(), // unsubscribed or closed by hand; a refusal comes through `onEnded`
  );
}

async function send(to: Client): Promise<void> {
  hideError();
  elements.sent.textContent = '';
  try {
    await to.publish(elements.sendDestination.value.trim(), elements.text.value, {
      headers: { 'content-type': 'text/plain;charset=utf-8' },
    });
    elements.sent.textContent = `✓ Taken by the broker at ${new Date().toLocaleTimeString(undefined, { hour12: false })}`;
  } catch (error) {
    showError(error);
  }
}

function makeChip({ destination }: Subscription, onRemove: () => void): HTMLElement {
  const chip = make('li', destination);
  chip.dataset['ready'] = 'false';
  const remove = make('button', '✕', 'plain') as HTMLButtonElement;
  remove.type = 'button';
  remove.setAttribute('aria-label', `Unsubscribe from ${destination}`);
  remove.addEventListener('click', onRemove);
  chip.append(remove);
  return chip;
}

function showState(snapshot: ConnectionState): void {
  const { name: state } = snapshot;
  const error = 'reason' in snapshot ? snapshot.reason : undefined;
  elements.badge.textContent = BADGES[state];
  elements.badge.dataset['state'] = state;
  elements.connect.textContent = isOpen(state) ? 'Disconnect' : 'Connect';
  elements.connect.dataset['action'] = isOpen(state) ? 'disconnect' : 'connect';
  for (const input of [elements.url, elements.login, elements.passcode]) input.readOnly = isOpen(state);
  elements.subscribeFields.disabled = elements.sendFields.disabled = state !== 'connected';
  if (state !== 'connected') elements.sent.textContent = '';
  if (error !== undefined) showError(error);
  else if (state === 'connected' && elements.errorCode.textContent === 'connection-lost') hideError();
}

function isOpen(state: ConnectionState['name'] | undefined): boolean {
  return state !== undefined && state !== 'idle' && state !== 'refused' && state !== 'closed';
}

function showError(error: unknown): void {
  elements.errorCode.textContent = error instanceof RelayError ? error.code : 'error';
  elements.errorText.textContent = (error as Error).message;
  elements.error.hidden = false;
}

function hideError(): void {
  elements.error.hidden = true;
}

/** The relay that served the page, at the path that it is configured for. */
async function prefillUrl(): Promise<void> {
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const toUrl = (path: string): string => `${scheme}//${location.host}${path}`;
  elements.url.value = toUrl('/ws');
  const response = await fetch('page.json').catch(() => undefined);
  if (response?.ok !== true) return;
  const { websocketPath } = (await response.json()) as { websocketPath: string };
  elements.url.value = toUrl(websocketPath);
}
