import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const RELAY = 'http://127.0.0.1:8080';
const sdk = (path) => fileURLToPath(new URL(`../../client-sdk/src/${path}`, import.meta.url));

export default defineConfig({
  base: './', // relative URLs, so the page works at any path
  plugins: [react()],
  resolve: {
    // The client library from its sources, so that it needs no build. In your own application: npm install.
    alias: [
      { find: /^stomp-relay-client$/, replacement: sdk('core/index.ts') },
      { find: /^stomp-relay-client\/react$/, replacement: sdk('react/index.ts') },
    ],
    dedupe: ['react', 'react-dom'],
  },
  // `npm run dev` shows this page with a relay that runs on this machine. The relay accepts pages of its own origin, so
  // the proxy sets `Origin` to the relay's (`changeOrigin` sets Host; WebSockets send Origin too).
  server: {
    proxy: {
      '/ws': { target: RELAY, ws: true, changeOrigin: true, rewriteWsOrigin: true },
      '/api': { target: RELAY, changeOrigin: true, headers: { origin: RELAY } },
      '/page.json': { target: RELAY, changeOrigin: true },
    },
  },
  build: {
    target: 'es2022',
    modulePreload: false, // one script; the page's policy allows no inline script
    assetsInlineLimit: 0,
  },
});
