import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';

/** Path of MQTT over WebSocket on the HTTP port. */
export const WEBSOCKET_PATH = '/mqtt';

export interface WebSocketDoor {
  /** Takes an HTTP upgrade. Answers false, and leaves the socket alone, when it is not meant for this door. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
  close(): void;
}

/** MQTT over WebSocket (MQTT 3.1.1 §6): binary frames, subprotocol `mqtt` (`mqttv3.1` for 3.1). */
export function createWebSocketDoor(
  maxPacketBytes: number,
  onStream: (stream: Duplex, peer: string) => void,
): WebSocketDoor {
  const server = new WebSocketServer({
    noServer: true,
    // A frame may carry several packets or part of one (§6.0.0-3).
    maxPayload: maxPacketBytes + 64 * 1024,
    perMessageDeflate: false,
    handleProtocols: (offered) =>
      offered.has('mqtt') ? 'mqtt' : offered.has('mqttv3.1') ? 'mqttv3.1' : false,
  });
  return {
    handleUpgrade(request, socket, head) {
      const path = (request.url ?? '').split('?')[0];
      if (path !== WEBSOCKET_PATH) return false;
      server.handleUpgrade(request, socket, head, (webSocket) => {
        const stream = createWebSocketStream(webSocket);
        onStream(stream, request.socket.remoteAddress ?? 'unknown');
      });
      return true;
    },
    close: () => server.close(),
  };
}
