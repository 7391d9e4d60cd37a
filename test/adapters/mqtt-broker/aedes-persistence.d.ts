declare module 'aedes-persistence/abstract.js' {
  export default function abstractPersistence(options: {
    test: (name: string, body: (t: unknown) => Promise<void>) => void;
    persistence: () => unknown;
    testAsync: boolean;
  }): void;
}
