import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';

/** Path of MQTT over WebSocket on the HTTP port. */
export const WEBSOCKET_PATH = '/mqtt';

/** Subprotocols of MQTT 3.1.1 and 3.1. */
const PROTOCOLS = ['mqtt', 'mqttv3.1'] as const;

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
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
      // [MQTT-6.0.0-3]: a client that does not offer the subprotocol does not speak MQTT.
      if (!PROTOCOLS.some((name) => offered.includes(name))) {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return true;
      }
      server.handleUpgrade(request, socket, head, (webSocket) => {
        const stream = createWebSocketStream(webSocket);
        onStream(stream, request.socket.remoteAddress ?? 'unknown');
      });
      return true;
    },
    close: () => server.close(),
  };
}
