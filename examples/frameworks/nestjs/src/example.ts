// A small application at a node: whoever logged in there may use it.
//
//   API_SERVER=http://127.0.0.1:8470 PORT=8000 npm start

import "reflect-metadata";
import type { AddressInfo } from "node:net";
import { Controller, Get, Module, Param, Post } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { Client, models } from "appliance-client";
import type { Caller } from "appliance-express";
import { Allowed, ApplianceModule, CallerIs, NodeIs } from "./appliance.module.js";

@Controller()
class Example {
  @Get("me")
  me(@CallerIs() caller: Caller): Caller {
    return caller;
  }

  @Get("peers")
  async peers(@NodeIs() node: Client): Promise<string[]> {
    const names: string[] = [];
    for await (const peer of node.peersAll()) names.push(peer.name);
    return names;
  }

  @Get("names/:name")
  named(@NodeIs() node: Client, @Param("name") name: string): Promise<models.Named> {
    return node.lookup({ name });
  }

  @Post("stop")
  @Allowed(["admin"], "node.change")
  stop(@NodeIs() node: Client): Promise<models.Done> {
    return node.stop();
  }
}

@Module({
  imports: [ApplianceModule.forRoot({ url: process.env["API_SERVER"] ?? "http://127.0.0.1:8470", client: { retries: 1 } })],
  controllers: [Example],
})
class Application {}

const app = await NestFactory.create(Application, { logger: ["error", "warn"] });
const server = await app.listen(Number(process.env["PORT"] ?? 8000), "127.0.0.1");
console.log(`listening on ${((server as { address(): unknown }).address() as AddressInfo).port}`);
