import js from '@eslint/js';
import importX from 'eslint-plugin-import-x';
import reactHooks from 'eslint-plugin-react-hooks';
import redos from 'eslint-plugin-redos';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/.cache/', '**/dist/', '**/node_modules/', 'coverage/', '.cache/'] },
  js.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.json', './examples/react-app/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      eqeqeq: 'error',
      'import-x/consistent-type-specifier-style': ['error', 'prefer-top-level'],
      'import-x/no-duplicates': 'error',
      'import-x/order': [
        'error',
        {
          groups: ['builtin', 'external', ['parent', 'sibling', 'index']],
          'newlines-between': 'never',
          alphabetize: { order: 'asc', caseInsensitive: true },
        },
      ],
    },
  },
  {
    files: ['client-sdk/src/react/**/*.{ts,tsx}', 'examples/react-app/src/**/*.tsx'],
    plugins: { 'react-hooks': reactHooks },
    rules: { 'react-hooks/rules-of-hooks': 'error', 'react-hooks/exhaustive-deps': 'error' },
  },
  {
    files: ['server/src/**/*.ts', 'client-sdk/src/**/*.{ts,tsx}', 'examples/react-app/src/**/*.{ts,tsx}'],
    plugins: { redos },
    rules: {
      // Patterns match text from clients on the event loop, so each must take linear time
      'redos/no-vulnerable': ['error', { ignoreErrors: false }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'no-restricted-globals': ['error', { name: 'process', message: 'only config.ts and programs read the process' }],
      'no-console': 'error',
      'max-params': ['error', { max: 5 }],
    },
  },
  {
    // The contract tests, which run on any broker
    files: ['server/src/contract/**/*.ts'],
    rules: { 'max-lines-per-function': 'off', 'redos/no-vulnerable': 'off' },
  },
  {
    files: [
      'server/src/cli.ts',
      'server/src/config.ts',
      'server/src/process/process-memory.ts',
      'server/src/process/stderr.ts',
      'server/src/workers/worker.ts',
      'server/src/workers/last-words.ts',
    ],
    rules: { 'no-restricted-globals': 'off' },
  },
  {
    files: ['**/*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        AbortController: 'readonly',
        setTimeout: 'readonly',
        clearTimeout: 'readonly',
        fetch: 'readonly',
      },
    },
  },
);
