/** What the tests use of Node-RED's helper; it brings no types. */
declare module 'node-red-node-test-helper' {
  export interface TestNode {
    on(event: string, listener: (...values: never[]) => void): void;
    receive(message: object): void;
    context(): { get(key: string): unknown };
  }

  interface Helper {
    init(runtime: string): void;
    load(nodes: readonly unknown[], flow: readonly object[], credentials: object): Promise<void>;
    unload(): Promise<void>;
    getNode(id: string): TestNode;
    startServer(done: () => void): void;
    request(): {
      post(path: string): { send(body: object): PromiseLike<{ status: number; body: unknown }> };
    };
    stopServer(done: () => void): void;
  }

  const helper: Helper;
  export default helper;
}
