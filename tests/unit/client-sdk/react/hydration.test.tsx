/** @jest-environment jsdom */
import { expect, jest, test } from '@jest/globals';
import { render, renderHook, screen } from '@testing-library/react';
import { RelayProvider, useConnection, useLatest } from 'stomp-relay-client/react';
import { asClient, FakeClient, frame, fakeTime, within } from './fake-client.js';

fakeTime();

test('the browser hydrates the HTML of a server, even if its client is already connected', () => {
  const consoleErrors = jest.spyOn(console, 'error');
  const fake = new FakeClient();
  fake.state = { name: 'connected' };
  const seen: string[] = [];
  const Page = () => {
    const { data, state } = useLatest('/topic/data', { initial: 'none' });
    const text = `${useConnection().name} ${String(data)} ${state.name}`;
    seen.push(text);
    return <p role="main">{text}</p>;
  };
  const other = () => useLatest('/topic/data');
  renderHook(other, { wrapper: within(fake) });
  fake.deliver('/topic/data', 7);
  frame();
  const container = document.createElement('div');
  container.innerHTML = '<p role="main">idle none subscribing</p>';
  document.body.append(container);
  render(
    <RelayProvider client={asClient(fake)}>
      <Page />
    </RelayProvider>,
    { container, hydrate: true },
  );
  expect(seen[0]).toBe('idle none subscribing');
  expect(screen.getByRole('main').textContent).toBe('connected 7 subscribing');
  fake.deliver('/topic/data', 1);
  frame();
  expect(screen.getByRole('main').textContent).toBe('connected 1 subscribing');
  expect(consoleErrors).not.toHaveBeenCalled();
  consoleErrors.mockRestore();
});
