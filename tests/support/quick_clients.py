"""Clients of boto3 that are made in milliseconds: what is the same for all of them is kept.

A client is made of files, and of classes and rules that follow from the files alone. botocore
reads and builds them again for every session, which takes most of a short test's time.
"""

from __future__ import annotations

import functools

import botocore.client
import botocore.hooks
import botocore.regions
import botocore.session


def keep_what_all_clients_share():
    """Build a service's model, its class and its endpoint rules once in this process."""
    botocore.session.create_loader = functools.lru_cache(botocore.session.create_loader)
    _keep_models()
    _keep_classes()
    _keep_endpoint_rules()
    _keep_event_names()
    _keep_what_a_handler_takes()
    botocore.hooks._PrefixTrie._recursive_copy = _copied


def _keep_models():
    load = botocore.client.ClientCreator._load_service_model
    models = {}

    def kept(creator, service_name, api_version=None):
        key = (id(creator._loader), service_name, api_version)
        if key not in models:
            models[key] = creator._loader, load(creator, service_name, api_version)
        return models[key][1]

    botocore.client.ClientCreator._load_service_model = kept


def _keep_classes():
    create = botocore.client.ClientCreator._create_client_class
    classes = {}

    def kept(creator, service_name, service_model):
        # A session of boto3 adds its own methods to some, one of botocore does not.
        event = f"creating-client-class.{service_model.service_id.hyphenize()}"
        added = creator._event_emitter._emitter._handlers.prefix_search(event)
        key = (id(service_model), len(added))
        if key not in classes:
            classes[key] = service_model, create(creator, service_name, service_model)
        return classes[key][1]

    botocore.client.ClientCreator._create_client_class = kept


def _keep_endpoint_rules():
    provider = botocore.regions.EndpointProvider
    providers = {}

    def kept(ruleset_data, partition_data, excluded_params=None):
        key = (id(ruleset_data), id(partition_data), frozenset(excluded_params or ()))
        if key not in providers:
            made = provider(ruleset_data, partition_data, excluded_params)
            providers[key] = ruleset_data, partition_data, made
        return providers[key][-1]

    botocore.regions.EndpointProvider = kept


def _keep_event_names():
    begin = botocore.hooks.EventAliaser.__init__
    names = {}

    def kept(aliaser, event_emitter, event_aliases=None):
        begin(aliaser, event_emitter, event_aliases)
        if aliaser._event_aliases == botocore.hooks.EVENT_ALIASES:
            aliaser._alias_name_cache = names

    botocore.hooks.EventAliaser.__init__ = kept


def _keep_what_a_handler_takes():
    accepts = botocore.hooks.accepts_kwargs
    known = {}

    def kept(handler):
        code = getattr(handler, "__code__", None)
        if code is None:
            return accepts(handler)
        if code not in known:
            known[code] = accepts(handler)
        return known[code]

    botocore.hooks.accepts_kwargs = kept


def _copied(trie, node):
    # Every client copies all handlers of its session; `copy.copy` for each list is most of it.
    return {
        name: botocore.hooks.NodeList(*map(list, value))
        if type(value) is botocore.hooks.NodeList
        else _copied(trie, value)
        if type(value) is dict
        else value
        for name, value in node.items()
    }
