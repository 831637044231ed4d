"""The tables and functions of a store, and how those of one form become those of the next.

Space, key and the name of a log are `bytea`: they are compared by their bytes whatever collation and encoding a database has, and
may have a zero byte in them. The one row of `store` is the lock of all writers, and knows how much is kept.
"""

from __future__ import annotations

from typing import Final

OVERHEAD: Final = 100
"""Bytes that a record or an entry costs besides its key and value, about."""
CONFLICT, FULL, OUTRUN = "AP001", "AP002", "AP003"
"""Of what the functions raise (SQLSTATE). OUTRUN: another connection of the same server has taken the place of this one."""
FORMS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE store (form integer NOT NULL, bytes bigint NOT NULL)",
        "INSERT INTO store VALUES (0, 0)",
        """CREATE TABLE records (space bytea NOT NULL, key bytea NOT NULL, version bigint NOT NULL, expires bigint,
            value bytea NOT NULL, PRIMARY KEY (space, key))""",
        "CREATE INDEX expiring ON records (expires) WHERE expires IS NOT NULL",
        """CREATE TABLE logs (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name bytea NOT NULL UNIQUE,
            oldest bigint NOT NULL, newest bigint NOT NULL)""",
        "CREATE TABLE entries (log bigint NOT NULL, id bigint NOT NULL, value bytea NOT NULL, PRIMARY KEY (log, id))",
        # What is sealed does not get smaller.
        "ALTER TABLE records ALTER COLUMN value SET STORAGE EXTERNAL",
        "ALTER TABLE entries ALTER COLUMN value SET STORAGE EXTERNAL",
        # The last batch of each API server, so that one whose connection broke learns whether its batch was taken.
        """CREATE TABLE servers (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
            connection bigint NOT NULL, batch bigint NOT NULL, done bigint[] NOT NULL, refused integer[] NOT NULL,
            seen timestamptz NOT NULL)""",
        # parts: to which commit of the batch a change belongs, from 1 on. kinds: a letter for each change. numbers: when a record
        # expires, or how many entries of a log stay. refused: for each commit 0, the number of the change that found another
        # version, or -1 for a full store.
        f"""CREATE FUNCTION change_all_1(server bigint, of_connection bigint, of_batch bigint, parts integer[], kinds text,
            names bytea[], keys bytea[], contents bytea[], expects bigint[], numbers bigint[], now double precision, most bigint,
            flush boolean, OUT done bigint[], OUT refused integer[], OUT total bigint) LANGUAGE plpgsql AS $$
        DECLARE
            i integer := 1;
            n integer := cardinality(parts);
            part integer;
            before bigint;
            writes boolean;
            kind text;
            there boolean;
            was bigint;
            size bigint;
            log_number bigint;
            log_oldest bigint;
            log_newest bigint;
            log_first bigint;
        BEGIN
            IF NOT flush THEN
                PERFORM set_config('synchronous_commit', 'off', true);
            END IF;
            SELECT s.bytes INTO total FROM store s FOR UPDATE;
            done := array_fill(0::bigint, ARRAY[n]);
            refused := array_fill(0, ARRAY[parts[n]]);
            WHILE i <= n LOOP
                part := parts[i];
                before := total;
                writes := false;
                BEGIN
                    WHILE i <= n AND parts[i] = part LOOP
                        kind := substr(kinds, i, 1);
                        IF kind IN ('p', 'd', 'c') THEN
                            SELECT CASE WHEN r.expires <= now THEN 0 ELSE r.version END,
                                    octet_length(r.key) + octet_length(r.value) + {OVERHEAD}
                                INTO was, size FROM records r WHERE r.space = names[i] AND r.key = keys[i];
                            there := FOUND;
                            IF NOT there THEN
                                was := 0;
                            END IF;
                            IF expects[i] <> was THEN
                                RAISE EXCEPTION USING ERRCODE = '{CONFLICT}';
                            END IF;
                            IF kind = 'c' THEN
                                done[i] := was;
                            ELSIF kind = 'p' THEN
                                writes := true;
                                done[i] := was + 1;
                                IF there THEN
                                    UPDATE records r SET version = was + 1, expires = numbers[i], value = contents[i]
                                        WHERE r.space = names[i] AND r.key = keys[i];
                                    total := total - size;
                                ELSE
                                    INSERT INTO records VALUES (names[i], keys[i], was + 1, numbers[i], contents[i]);
                                END IF;
                                total := total + octet_length(keys[i]) + octet_length(contents[i]) + {OVERHEAD};
                            ELSIF there THEN
                                DELETE FROM records r WHERE r.space = names[i] AND r.key = keys[i];
                                total := total - size;
                            END IF;
                        ELSE
                            SELECT l.number, l.oldest, l.newest INTO log_number, log_oldest, log_newest
                                FROM logs l WHERE l.name = names[i];
                            there := FOUND;
                            log_first := NULL;
                            IF kind = 'a' THEN
                                writes := true;
                                IF NOT there THEN
                                    INSERT INTO logs (name, oldest, newest) VALUES (names[i], 1, 0)
                                        RETURNING number, oldest, newest INTO log_number, log_oldest, log_newest;
                                END IF;
                                log_newest := log_newest + 1;
                                log_first := greatest(log_oldest, log_newest - numbers[i] + 1);
                                INSERT INTO entries VALUES (log_number, log_newest, contents[i]);
                                UPDATE logs l SET newest = log_newest, oldest = log_first WHERE l.number = log_number;
                                total := total + octet_length(contents[i]) + {OVERHEAD};
                                done[i] := log_newest;
                            ELSIF there THEN
                                DELETE FROM logs l WHERE l.number = log_number;
                                log_first := log_newest + 1;
                            END IF;
                            IF log_first > log_oldest THEN
                                WITH gone AS (DELETE FROM entries e WHERE e.log = log_number AND e.id >= log_oldest
                                        AND e.id < log_first RETURNING octet_length(e.value) + {OVERHEAD} AS size)
                                    SELECT total - coalesce(sum(gone.size), 0) INTO total FROM gone;
                            END IF;
                        END IF;
                        i := i + 1;
                    END LOOP;
                    IF writes AND total > most THEN
                        RAISE EXCEPTION USING ERRCODE = '{FULL}';
                    END IF;
                EXCEPTION
                    WHEN SQLSTATE '{CONFLICT}' THEN
                        refused[part] := i;
                        total := before;
                    WHEN SQLSTATE '{FULL}' THEN
                        refused[part] := -1;
                        total := before;
                END;
                WHILE i <= n AND parts[i] = part LOOP
                    i := i + 1;
                END LOOP;
            END LOOP;
            UPDATE store s SET bytes = total WHERE s.bytes <> total;
            UPDATE servers s SET batch = of_batch, done = change_all_1.done, refused = change_all_1.refused,
                    seen = clock_timestamp()
                WHERE s.number = server AND s.connection = of_connection;
            IF NOT FOUND THEN
                RAISE EXCEPTION USING ERRCODE = '{OUTRUN}';
            END IF;
        END $$""",  # noqa: S608  constants of ours
        f"""CREATE FUNCTION sweep_1(until double precision, piece integer, OUT swept bigint, OUT total bigint)
            LANGUAGE plpgsql AS $$
        DECLARE
            freed bigint;
        BEGIN
            swept := 0;
            IF NOT EXISTS (SELECT FROM records r WHERE r.expires <= until) THEN
                SELECT s.bytes INTO total FROM store s;
                RETURN;
            END IF;
            PERFORM set_config('synchronous_commit', 'off', true);
            SELECT s.bytes INTO total FROM store s FOR UPDATE;
            WITH old AS (SELECT r.space, r.key FROM records r WHERE r.expires <= until LIMIT piece),
                gone AS (DELETE FROM records r USING old WHERE r.space = old.space AND r.key = old.key
                    RETURNING octet_length(r.key) + octet_length(r.value) + {OVERHEAD} AS size)
                SELECT count(*), coalesce(sum(gone.size), 0) INTO swept, freed FROM gone;
            total := total - freed;
            UPDATE store s SET bytes = total;
        END $$""",  # noqa: S608  constants of ours
    ),
)
