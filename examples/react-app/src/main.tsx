import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';

const root = createRoot(document.getElementById('app') as HTMLElement);
root.render(
  <StrictMode>
    <App path={await websocketPath()} />
  </StrictMode>,
);

/** The path of the WebSocket at the relay that serves this page. */
async function websocketPath(): Promise<string> {
  try {
    const response = await fetch('page.json');
    return ((await response.json()) as { websocketPath: string }).websocketPath;
  } catch {
    return '/ws'; // another server has served the page
  }
}
