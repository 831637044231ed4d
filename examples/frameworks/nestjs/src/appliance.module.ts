// An application built on NestJS at a node: who calls it, which trace a call belongs to, and the node's API in the caller's name.
// On the platform Express, by the same parts as appliance-express.
//
//   @Module({ imports: [ApplianceModule.forRoot({ url: "http://127.0.0.1:8470" })], controllers: [Peers] })
//
// Every route takes callers with a token only, but those with @Open().

import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  type DynamicModule,
  type ExceptionFilter,
  type ExecutionContext,
  Inject,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  SetMetadata,
  createParamDecorator,
} from "@nestjs/common";
import { APP_FILTER, APP_GUARD, BaseExceptionFilter, HttpAdapterHost, Reflector } from "@nestjs/core";
import { Appliance, type Caller, Refused, type Settings, answer, may } from "appliance-express";
import type { Request, Response } from "express";

const OPEN = "appliance:open";
const ALLOWED = "appliance:allowed";

/** A route, or all of a controller, that anybody may ask. */
export const Open = (): MethodDecorator & ClassDecorator => SetMetadata(OPEN, true);

/** Only callers with one of the roles. A program's token must have the scope too: it may less than its user. */
export const Allowed = (roles: readonly string[], scope: string): MethodDecorator & ClassDecorator =>
  SetMetadata(ALLOWED, { roles, scope });

/** A parameter: who calls. */
export const CallerIs = createParamDecorator((_: unknown, context: ExecutionContext): Caller => requestOf(context).caller);

/** A parameter: the node's API (a `Client`) in the caller's name, within the request's trace. */
export const NodeIs = createParamDecorator((_: unknown, context: ExecutionContext) => requestOf(context).node);

function requestOf(context: ExecutionContext): Request {
  return context.switchToHttp().getRequest<Request>();
}

/** Lets callers with a good token in, and those with the roles that a route asks for. */
@Injectable()
export class ApplianceGuard implements CanActivate {
  constructor(
    @Inject(Appliance) private readonly appliance: Appliance,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean>(OPEN, places)) return true;
    const request = requestOf(context);
    const [caller, token] = await this.appliance.callers.known(request.get("authorization"));
    request.caller = caller;
    request.node = this.appliance.node(token, request.trace);
    const asked = this.reflector.getAllAndOverride<{ roles: readonly string[]; scope: string }>(ALLOWED, places);
    if (asked !== undefined && !may(caller, asked.roles, asked.scope)) {
      const hint = `this takes one of the roles ${asked.roles.join(", ")}, and of a program's token the scope ${asked.scope}`;
      throw new Refused(403, "Forbidden", "you may not do this", hint);
    }
    return true;
  }
}

/** Problems (RFC 9457) for what the guard refuses and for what the node says; everything else as NestJS does it. */
@Catch()
export class ApplianceFilter extends BaseExceptionFilter implements ExceptionFilter {
  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    super(host.httpAdapter);
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    const found = answer(error);
    if (found === undefined) return super.catch(error, host);
    const response = host.switchToHttp().getResponse<Response>();
    response.status(found.status).set(found.headers).type("application/problem+json").send(JSON.stringify(found.body));
  }
}

@Module({})
export class ApplianceModule implements NestModule {
  constructor(@Inject(Appliance) private readonly appliance: Appliance) {}

  static forRoot(settings: Settings): DynamicModule {
    return {
      module: ApplianceModule,
      global: true,
      providers: [
        { provide: Appliance, useValue: new Appliance(settings) },
        { provide: APP_GUARD, useClass: ApplianceGuard },
        { provide: APP_FILTER, useClass: ApplianceFilter },
      ],
      exports: [Appliance],
    };
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(this.appliance.tracing()).forRoutes("{*all}");
  }
}
