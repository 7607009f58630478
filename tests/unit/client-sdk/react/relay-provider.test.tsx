/** @jest-environment jsdom */
import { describe, expect, jest, test } from '@jest/globals';
import { render } from '@testing-library/react';
import { StrictMode } from 'react';
import { RelayProvider, useClient, useLatest } from 'stomp-relay-client/react';
import { asClient, FakeClient, fakeTime, pass } from './fake-client.js';

fakeTime();

describe('RelayProvider', () => {
  test('connects while it is mounted, and closes 250 ms after the unmount', () => {
    const fake = new FakeClient();
    const { unmount } = render(<RelayProvider client={asClient(fake)} />);
    expect(fake.calls).toEqual(['connect']);
    unmount();
    pass(249);
    expect(fake.calls).toEqual(['connect']);
    pass(1);
    expect(fake.calls).toEqual(['connect', 'close']);
  });

  test('connects once under StrictMode, and does not close', () => {
    const fake = new FakeClient();
    render(<RelayProvider client={asClient(fake)} />, { reactStrictMode: true });
    pass(1_000);
    expect(fake.calls).toEqual(['connect']);
  });

  test('keeps the connection when it is unmounted and mounted again at once', () => {
    const fake = new FakeClient();
    render(<RelayProvider client={asClient(fake)} />).unmount();
    pass(249);
    render(<RelayProvider client={asClient(fake)} />);
    pass(1_000);
    expect(fake.calls).toEqual(['connect']);
  });

  test('connects again when it is mounted long after', () => {
    const fake = new FakeClient();
    render(<RelayProvider client={asClient(fake)} />).unmount();
    pass(250);
    render(<RelayProvider client={asClient(fake)} />);
    expect(fake.calls).toEqual(['connect', 'close', 'connect']);
  });

  test('closes a shared client with the last of two providers', () => {
    const fake = new FakeClient();
    const first = render(<RelayProvider client={asClient(fake)} />);
    const second = render(<RelayProvider client={asClient(fake)} />);
    first.unmount();
    pass(1_000);
    expect(fake.calls).toEqual(['connect']);
    second.unmount();
    pass(250);
    expect(fake.calls).toEqual(['connect', 'close']);
  });

  test('replaces a client by another one, and moves its subscriptions', () => {
    const [first, second] = [new FakeClient(), new FakeClient()];
    const Row = () => <b>{String(useLatest('/topic/data').data)}</b>;
    const tree = (fake: FakeClient) => (
      <RelayProvider client={asClient(fake)}>
        <Row />
      </RelayProvider>
    );
    const { rerender } = render(tree(first));
    rerender(tree(second));
    pass(250);
    expect(first.calls).toEqual(['connect', 'close']);
    expect(first.live).toEqual([]);
    expect(second.calls).toEqual(['connect']);
    expect(second.live).toHaveLength(1);
  });

  test('a component that is replaced by a new version keeps its subscription and its data', () => {
    const fake = new FakeClient();
    const versions = [1, 2].map(() => () => <b>{String(useLatest('/topic/data').data)}</b>);
    const { rerender, container } = render(<Page Row={versions[0]!} fake={fake} />);
    fake.deliver('/topic/data', 7);
    pass(16);
    rerender(<Page Row={versions[1]!} fake={fake} />);
    expect(container.textContent).toBe('7');
    pass(1_000);
    expect(fake.all).toHaveLength(1);
    expect(fake.live).toHaveLength(1);
    expect(fake.calls).toEqual(['connect']);
  });
});

function Page({ Row, fake }: { Row: () => React.ReactNode; fake: FakeClient }) {
  return (
    <StrictMode>
      <RelayProvider client={asClient(fake)}>
        <Row />
      </RelayProvider>
    </StrictMode>
  );
}

describe('useClient', () => {
  test('returns the client of the nearest provider', () => {
    const [outer, inner] = [new FakeClient(), new FakeClient()];
    const seen: unknown[] = [];
    const Look = () => {
      seen.push(useClient());
      return null;
    };
    render(
      <RelayProvider client={asClient(outer)}>
        <RelayProvider client={asClient(inner)}>
          <Look />
        </RelayProvider>
      </RelayProvider>,
    );
    expect(seen).toEqual([inner]);
  });

  test('throws an error that names the missing provider', () => {
    const Look = () => void useClient();
    const silenced = jest.spyOn(console, 'error').mockImplementation(() => {});
    expect(() => render(<Look />)).toThrow('There is no <RelayProvider> around this component.');
    silenced.mockRestore();
  });
});
